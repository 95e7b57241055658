"""How an attempt may end: in a result, or in one line that a user can act on. Counts both.

The number of examples is small in the suite, and seeded. `HYPOTHESIS_PROFILE=fuzz` draws many more.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from hypothesis import HealthCheck, settings

from config.errors import UnpromptedError, system_way_out

_T = TypeVar("_T")

LIMIT_S = 20.0  # CPU seconds of one attempt; usual ones take milliseconds
MAX_LINE = 1000  # characters of an error line: a screen of 12 lines
WRITTEN_BY_PEOPLE = ("settings", "rules", "probe banks")  # subjects; mistakes in plain words
NO_WORDS = ("Input should", "Field required", "discriminator", "literal[", "Extra inputs")
IS_LONG_RUN = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"

COUNTS: dict[str, Counter[str]] = {}  # subject → "results", "refusals"


class _Hang(BaseException):
    """An attempt took more CPU time than the limit; no `except Exception` may hide it."""


def fuzzed(examples: int, long_run: int) -> settings:
    """Settings of a test with so many examples in the suite (seconds) and in a long run (minutes).

    The suite draws the same ones each time; a long run takes `--hypothesis-seed`.
    """
    return settings(
        max_examples=long_run if IS_LONG_RUN else examples,
        derandomize=not IS_LONG_RUN,
        database=None,
        deadline=None,  # in wall time, which other processes lengthen; `LIMIT_S` is CPU time
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


def attempt(subject: str, action: Callable[[], _T], *places: str) -> _T | None:
    """The result of an action; None where it refuses its input in one line.

    The line must name one of `places`. Any other exception is the test's failure.
    """
    counts = COUNTS.setdefault(subject, Counter())
    try:
        with _limited():
            result = action()
    except UnpromptedError as error:
        check_line(str(error), *places)
        for line in error.lines:
            check_line(line)
            is_plain = not any(words in line for words in NO_WORDS)
            assert is_plain or subject not in WRITTEN_BY_PEOPLE, line
        counts["refusals"] += 1
        return None
    except OSError as error:  # the commands turn these into one line
        assert system_way_out(error) is not None, error
        counts["refusals"] += 1
        return None
    counts["results"] += 1
    return result


def check_line(line: str, *places: str) -> None:
    """Fails unless the text is one line of bounded length that names one of the places."""
    assert "\n" not in line and "\r" not in line, line
    assert 0 < len(line) <= MAX_LINE, line
    assert not places or any(place in line for place in places), (places, line)


@contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _Hang

    handler = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        yield
    except _Hang:
        raise AssertionError(f"more than {LIMIT_S:g} s of CPU time") from None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
