"""Rows made for rules that the logs hardly touch."""
