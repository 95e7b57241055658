"""Prints how the fuzzed attempts ended."""

from typing import Any

from tests.fuzz.endings import COUNTS


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A line per subject: attempts, results, refusals."""
    for subject, counts in sorted(COUNTS.items()):
        terminalreporter.write_line(
            f"fuzz {subject}: {counts.total()} examples, {counts['results']} results, "
            f"{counts['refusals']} refused in one line"
        )
