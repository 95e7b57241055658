"""`unprompted init`: an experiment from a prompt and logs."""
