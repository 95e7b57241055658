"""Guided candidates: helped answers to rows whose ordinary candidates break a must-rule."""
