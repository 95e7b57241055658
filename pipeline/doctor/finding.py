"""One line of `unprompted doctor`."""

from typing import Literal, NamedTuple

Level = Literal["ok", "warning", "problem"]


class Finding(NamedTuple):
    """What one check has found. A problem prevents a run; a warning makes it slower or smaller."""

    level: Level
    subject: str  # what was checked
    text: str
    way_out: str = ""  # what to do; empty where nothing is wrong
