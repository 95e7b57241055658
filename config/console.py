"""What commands print: text of rows, answers and servers cannot steer a terminal.

Control characters, escape sequences, marks of direction and other characters that nobody sees are
shown as escapes. `tests/config/test_console.py` holds that no other `print` is called.
"""

import builtins
import re
import sys
import unicodedata
from typing import IO

_CANDIDATE = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u0600-\U0010ffff]")
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def visible(text: str) -> str:
    """The text with \\x1b, \\u202e and the like in place of what steers a terminal or is not seen.

    Line breaks and tabs stay; one of two characters becomes one of one.
    """
    return _CANDIDATE.sub(_escaped, text.replace("\r\n", "\n"))


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character in "\n\t" or unicodedata.category(character) not in _UNSEEN:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def print(  # the builtin's place is taken on purpose: none of its calls may be missed
    *values: object,
    sep: str = " ",
    end: str = "\n",
    file: IO[str] | None = None,
    flush: bool = False,
) -> None:
    """As Python's own, with the characters of `visible`."""
    text = visible(sep.join(map(str, values)))
    builtins.print(text, end=end, file=file or sys.stdout, flush=flush)
