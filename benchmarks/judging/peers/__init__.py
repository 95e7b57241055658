"""The same verdicts by other systems; each script is run by a Python that has that system."""
