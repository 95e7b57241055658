"""The command `unprompted`. Its wheel carries the rooms inside this package, in `rooms/`."""
