"""Readers of log files, and the writer of the hidden set."""
