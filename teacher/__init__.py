"""The prompted model: candidate answers, the choice among them, and the audit of the ceiling."""
