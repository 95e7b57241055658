"""Probes: rows made for rules with little coverage in the logs."""
