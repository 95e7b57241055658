"""What a client of hostile servers spends: time and memory."""
