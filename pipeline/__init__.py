"""The order of the stages, their stamps, the dry run and the manifest."""
