"""The report room: what a run found, for a reader who sees it for the first time."""
