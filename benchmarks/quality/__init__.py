"""What each way to teach a student reaches on the demo."""
