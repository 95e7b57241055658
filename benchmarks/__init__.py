"""Benchmarks: what a verdict costs, here and in the systems one would otherwise take."""
