"""Numbers as the judge's commands print them."""


def format_share(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A share in percent with its interval; `undecided` when there is none."""
    if value is None:
        return "undecided"
    return f"{value:.1%}" + ("" if low is None or high is None else f" [{low:.1%}, {high:.1%}]")


def format_difference(value: float, low: float | None = None, high: float | None = None) -> str:
    """A difference of shares in percentage points, with its interval."""
    ends = "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * value:+.1f} points{ends}"
