"""Tries the rules on the logged answers: on how many rows each is due, passes and fails."""
