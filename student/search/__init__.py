"""Hyper-parameter search over students."""
