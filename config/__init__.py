"""What an experiment is: the settings, how they are read from YAML, and the errors a user can mend."""
