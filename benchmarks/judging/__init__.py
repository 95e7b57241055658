"""What judging costs, against the ideal and against peers."""
