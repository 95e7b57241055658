"""Thresholds that a run must pass."""
