"""Token ids in, completions out: the model backends and the resumable batch job on top of them."""
