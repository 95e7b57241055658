"""What it costs to read, clean, split and compare logs of any size."""
