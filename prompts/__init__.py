"""The system prompt, its rules, and the rendering of rows into both views."""
