"""Verdicts by a language model: prompts, requests, replies and their cache."""
