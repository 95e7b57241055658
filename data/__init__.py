"""Rows and answers on disk: readers of logs, cleaning, splits, and the crash-safe store."""
