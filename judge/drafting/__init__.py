"""Cuts a system prompt into rules with a model's help: a draft for a person to edit."""
