"""Mutation tests: a rule is broken on purpose and the judge must see it."""
