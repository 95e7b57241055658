"""Rules decided by code."""
