"""Texts that a forbidding regular expression forbids, read off the expression itself.

Knows the rule files' way to forbid, `\\A(?![\\s\\S]*(?:this|that))`; any other expression has none.
"""

import re
from itertools import islice, product
from re import _constants as code  # type: ignore[attr-defined]  # the only parser of expressions
from re import _parser as parser  # type: ignore[attr-defined]  # that Python has
from typing import Any

_MOST = 24  # texts per expression
_SIGNS = {code.CATEGORY_DIGIT: "7", code.CATEGORY_SPACE: " ", code.CATEGORY_WORD: "w"}


def forbidden(pattern: str) -> list[str]:
    """One text for each alternative of what the pattern forbids; [] when it forbids nothing."""
    parsed = list(parser.parse(pattern))
    bodies = [value[1] for kind, value in parsed if kind == code.ASSERT_NOT]
    texts = [text.strip() for body in bodies for text in _texts(list(body))]
    return list(dict.fromkeys(filter(None, texts)))


def _texts(parsed: list[Any]) -> list[str]:
    """Texts that match a parsed expression: every alternative, each repeat as short as it may."""
    pieces = [_piece(kind, value) for kind, value in parsed]
    return ["".join(chosen) for chosen in islice(product(*pieces), _MOST)]


def _piece(kind: Any, value: Any) -> list[str]:
    if kind == code.LITERAL:
        return [chr(value)]
    if kind == code.BRANCH:
        return [text for branch in value[1] for text in _texts(list(branch))][:_MOST]
    if kind == code.SUBPATTERN:
        return _texts(list(value[3]))
    if kind in (code.MAX_REPEAT, code.MIN_REPEAT):
        return [text * value[0] for text in _texts(list(value[2]))] if value[0] else [""]
    if kind == code.IN:
        return [_sign(value[0])]
    return [""]  # a position: start, end, word boundary


def _sign(member: Any) -> str:
    kind, value = member
    if kind == code.CATEGORY:
        return str(_SIGNS.get(value, " "))
    return chr(value if kind == code.LITERAL else value[0])


def without_matches(pattern: str, text: str) -> str:
    """The text without anything that the pattern matches."""
    while True:
        shorter = re.sub(pattern, "", text)
        if shorter == text:
            return text
        text = shorter
