"""Where a system prompt in the logs differs from the prompt file's."""

_SHOWN = 60  # characters of a line
_BEFORE = 20  # characters of it in front of the difference


def same_prompt(logged: str, system: str) -> bool:
    """Whether two prompts are equal but for white space around their lines."""
    return _lines(logged) == _lines(system)


def first_difference(logged: str, system: str) -> str:
    """The first line that differs, in words; of prompts that are not the same."""
    ours, theirs = _lines(system), _lines(logged)
    for number, (our_line, their_line) in enumerate(zip(ours, theirs, strict=False), 1):
        if our_line != their_line:
            start = max(0, _common(our_line, their_line) - _BEFORE)
            return (
                f"line {number} is {_cut(their_line[start:])} in the logs and "
                f"{_cut(our_line[start:])} in the prompt file"
            )
    if len(theirs) > len(ours):
        return f"the logs go on behind the prompt file's end: {_cut(theirs[len(ours)])}"
    return f"the logs lack the prompt file's line {len(theirs) + 1}: {_cut(ours[len(theirs)])}"


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines() if line.strip()]


def _common(left: str, right: str) -> int:
    """The length of the common beginning."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(left), len(right)))


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
