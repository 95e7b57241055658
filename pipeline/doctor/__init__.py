"""What `unprompted doctor` checks."""
