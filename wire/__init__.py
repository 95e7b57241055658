"""HTTP client for OpenAI-compatible servers: retries, rate limiting, parsing of completions."""
