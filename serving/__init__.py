"""A server for students: a proxy that takes the system prompt out of requests."""
