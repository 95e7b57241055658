"""Formats numbers and foreign text: percentages, durations, escaping for Markdown."""

import re
from collections.abc import Sequence

from markupsafe import Markup

from config.console import visible

NONE = "–"  # in place of a missing number

_LISTED = 12  # names shown before the rest is only counted
_MARKDOWN = re.compile(r"([\\`*_\[\]#|~$@])")
_LINK = re.compile(r"(https?|ftp|mailto|xmpp|www)(?=[:.])", re.I)  # GitHub's, without marks
_LIST = re.compile(r"^([-+](?=[\s-]|$)|\d{1,9}(?=[.)](?:\s|$)))")


def percent(share: float | None) -> str:
    """A share as a percentage with one decimal."""
    return NONE if share is None else f"{_signed(100 * share)} %"


def interval(low: float | None, high: float | None) -> Markup:
    """The ends of a share's interval, in percent."""
    if low is None or high is None:
        return Markup()
    # Markup: these brackets are no link
    return Markup(f"[{_signed(100 * low)}, {_signed(100 * high)}]")


def signed_points(difference: float | None) -> str:
    """A difference of shares, in percentage points, with its sign."""
    if difference is None:
        return NONE
    sign = "+" if difference > 0 else ""
    return f"{sign}{_signed(100 * difference)} points"


def _signed(value: float) -> str:
    text = f"{value:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")


def decimal(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A number that is not a share, such as κ, with two decimals and its interval."""
    if value is None:
        return NONE
    ends = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
    return f"{value:.2f}{ends}".replace("-0.00", "0.00").replace("-", "−")


def p_value(p: float | None) -> str:
    """A p-value, never as zero."""
    if p is None:
        return NONE
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def number(value: float | None, digits: int = 0) -> str:
    """A number with a thousands separator."""
    return NONE if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """Seconds as a readable duration."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 90:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def short(text: str, limit: int) -> str:
    """A text cut to `limit` characters, with a count of the characters cut off."""
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()} … ({len(text) - limit} characters more)"


def listed(names: Sequence[str]) -> str:
    """The first names, and a count of the rest."""
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + rest


def markdown(value: object) -> str:
    """A value as one line of plain Markdown text, with Markdown's special characters escaped.

    Finalises every expression of a Markdown template; Markup is Markdown already and stays.
    """
    if isinstance(value, Markup | int | float):
        return str(value)
    line = re.sub(r"\s+", " ", visible(str(value)))
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _LINK.sub(r"\1\\", _MARKDOWN.sub(r"\\\1", line))
    return _LIST.sub(_escaped_mark, line)


def _escaped_mark(match: re.Match[str]) -> str:
    return f"{match[0]}\\" if match[0].isdigit() else f"\\{match[0]}"


def seen(value: object) -> object:
    """A value of a page with its unseen characters shown: they would swap or hide text."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def fenced(text: str) -> Markup:
    """A text as a Markdown code block whose fence the text cannot close."""
    text = visible(text)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}\n{text}\n{fence}")
