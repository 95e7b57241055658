"""Metrics of answers and passages against the best logged answers."""
