"""Answers held against the best logged one."""
