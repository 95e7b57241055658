"""How far the judge can be trusted: against people's labels, broken answers and attacks."""
