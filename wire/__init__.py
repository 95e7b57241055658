"""Requests to an OpenAI-compatible server and its replies, whatever goes wrong between."""
