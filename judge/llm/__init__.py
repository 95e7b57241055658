"""Rules decided by a language model."""
