"""What drawing answers costs, against raw vLLM and slower peers."""
