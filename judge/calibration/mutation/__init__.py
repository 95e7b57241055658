"""Mutation tests: an answer is made to break one rule, and the judge must fail it."""
