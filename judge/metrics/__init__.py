"""Scores, intervals, comparisons and agreement: numbers only."""
