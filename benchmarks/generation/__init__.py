"""The cost of sampling answers, against raw vLLM and slower peers."""
