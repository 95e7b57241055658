"""Rules that code decides."""
