"""The settings of an experiment, how they are read, and the errors a user can mend."""
