"""What a run will do, counted and estimated before it begins."""
