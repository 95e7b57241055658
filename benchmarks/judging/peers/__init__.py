"""The same verdicts by other judges; each script runs in an environment with that judge."""
