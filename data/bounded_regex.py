"""The regular expressions of a user's settings and rule files, with a limit of time.

An expression such as `(a|a)+$` takes time that doubles with every letter of some texts, and
Python's own engine cannot be stopped. The package `regex` reads the same expressions and stops at
a limit. A linear engine (RE2) knows no lookahead, with which rules say that a text lacks something.
"""

from functools import lru_cache

import regex

from config.errors import DataError

LIMIT_S = 5.0  # CPU seconds for one expression on one text; ordinary ones take microseconds


_STOPPED = (TimeoutError, MemoryError)  # the second one: an expression that calls itself


class SlowRegex(DataError):
    """An expression took longer than the limit on a text, or more memory than there is."""


def compile_pattern(pattern: str) -> None:
    """Compiles the expression. Raises ValueError with the reason if it is none."""
    try:
        _compiled(pattern, False)
    except regex.error as error:
        raise ValueError(
            f"pattern {pattern!r}: {error}; correct it, or write \\ before a sign that stands for "
            "itself"
        ) from None
    except RecursionError:
        raise ValueError(
            f"pattern {pattern[:40]!r}…: nested too deeply; write it flatter"
        ) from None


def search(pattern: str, text: str, ignore_case: bool = False) -> str | None:
    """The first match of an expression in a text; None: it has none.

    Raises SlowRegex at the limit.
    """
    try:
        match = _compiled(pattern, ignore_case).search(text, timeout=LIMIT_S)
    except _STOPPED:
        raise _slow(pattern, text) from None
    return None if match is None else match.group()


def without_matches(pattern: str, text: str) -> str:
    """The text without what the expression matches. Raises SlowRegex at the limit."""
    try:
        return str(_compiled(pattern, False).sub("", text, timeout=LIMIT_S))
    except _STOPPED:
        raise _slow(pattern, text) from None


def without_prefix(pattern: str, text: str) -> str:
    """The text without a match at its beginning. Raises SlowRegex at the limit."""
    try:
        match = _compiled(pattern, False).match(text, timeout=LIMIT_S)
    except _STOPPED:
        raise _slow(pattern, text) from None
    return text[match.end() :] if match else text


def _slow(pattern: str, text: str) -> SlowRegex:
    return SlowRegex(
        f"the regular expression {pattern!r} took more than {LIMIT_S:g} s, or too much memory, on "
        f"a text of {len(text)} characters; write it without repeats of repeats such as (a+)+ or "
        "(a|a)*, and without calls of itself"
    )


@lru_cache(maxsize=512)
def _compiled(pattern: str, ignore_case: bool) -> "regex.Pattern[str]":
    return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
