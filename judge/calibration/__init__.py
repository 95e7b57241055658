"""How far a judge can be trusted, and what its numbers are worth once that is known."""
