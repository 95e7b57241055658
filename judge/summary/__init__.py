"""Measurements that combine scores, calibration, labels and the hidden set."""
