"""What a training step costs, against TRL."""
