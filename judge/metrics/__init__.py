"""Scores, intervals, comparisons and agreement, as pure functions."""
