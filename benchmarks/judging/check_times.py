"""`python -m benchmarks.judging.check_times`: how the time of each built-in check grows.

Runs each check, and the cleaning of texts for the judge, on hostile texts of 1 kB, 64 kB, the
longest that a check reads, and 4 MB. Prints the table and, on the last line, the figures as JSON.
The table replaces results/check-times.md. Takes about a minute of one core.
"""

import argparse
import functools
import gc
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.judging.hostile_texts import UNITS, hostile_text
from benchmarks.judging.timed_checks import timed_checks, verdict_on_text
from benchmarks.result_page import conditions, publish
from config.checkout import ROOT
from data.records import Record
from judge.checks.kinds import MOST_READ
from judge.llm.fence import cleaned

CHECK_TIMES_RESULTS = ROOT / "benchmarks" / "results" / "check-times.md"
SMALL, MIDDLE, HUGE = 1_000, 64_000, 4_000_000  # characters
_LARGE = MOST_READ // 3  # of answer, question and passage each: the most that is read
_KEPT_CACHES = ("_any_script", "_first_name_stems", "_secret_runs")  # they hold no text of a row
_Step = Callable[[str], object]


class CheckTime(Record):
    """CPU seconds of a check on the slowest of the texts of each length."""

    check: str
    text: str  # the slowest of 64 kB, which is repeated at the longer lengths
    small: float
    middle: float
    large: float
    huge: float  # with a verdict that says that the text is too long to read
    growth: float  # large ÷ middle, over the ratio of the lengths: 1 is linear, 5 quadratic


class CheckTimes(Record):
    """The figures of this benchmark."""

    times: tuple[CheckTime, ...]


def measure_checks() -> Iterator[CheckTime]:
    """The times of every built-in check, and of the cleaning."""
    for name, check in timed_checks():
        yield _measure(name, functools.partial(verdict_on_text, check), _LARGE)
    yield _measure("(cleaning for the judge)", cleaned, MOST_READ)


def _measure(name: str, step: _Step, large: int) -> CheckTime:
    step("Зал и 北京.")  # compiles patterns that only such texts need
    by_text = {text: _seconds(step, unit, MIDDLE) for text, unit in UNITS.items()}
    text = max(by_text, key=lambda name: by_text[name])
    long = _seconds(step, UNITS[text], large)
    return CheckTime(
        check=name,
        text=text,
        small=max(_seconds(step, unit, SMALL) for unit in UNITS.values()),
        middle=by_text[text],
        large=long,
        huge=_seconds(step, UNITS[text], HUGE),
        growth=(long / by_text[text]) / (large / MIDDLE),
    )


def _seconds(step: _Step, unit: str, characters: int) -> float:
    text = hostile_text(unit, characters)
    forget_texts()
    start = time.process_time()
    step(text)
    return time.process_time() - start


def forget_texts() -> None:
    """Empties the caches of texts that were read, so that each run reads its text."""
    for cache in _text_caches(len(sys.modules)):
        cache.cache_clear()


@functools.cache
def _text_caches(_modules: int) -> "tuple[functools._lru_cache_wrapper[Any], ...]":
    """The caches of functions that read texts. Sought anew once a module has been imported."""
    caches = (item for item in gc.get_objects() if isinstance(item, functools._lru_cache_wrapper))
    return tuple(
        cache
        for cache in caches
        if cache.__module__.startswith(("judge.checks", "judge.llm.fence", "data."))
        and cache.__name__ not in _KEPT_CACHES
    )


def times_table(times: CheckTimes) -> str:
    """The times in Markdown."""
    lines = [
        f"| check | slowest text | 1 kB, ms | 64 kB, ms | {_LARGE // 1000} kB, ms | 4 MB, ms "
        "| growth |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for t in times.times:
        milliseconds = (f"{1000 * s:.1f}" for s in (t.small, t.middle, t.large, t.huge))
        text = t.text.replace("|", "\\|")
        lines.append(f"| {t.check} | {text} | {' | '.join(milliseconds)} | {t.growth:.1f} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.judging.check_times", description=__doc__
    )
    parser.parse_args(argv)
    setting = conditions(("regex",))
    times = CheckTimes(times=tuple(measure_checks()))
    text = (
        f"# How the time of each built-in check grows\n\n{setting}\n\n"
        f"Each of {len(UNITS)} hostile texts stands in the answer, the question and a passage at "
        "once, each of this length; the worst CPU time counts. Growth is the time from 64 kB to "
        f"{_LARGE // 1000} kB over the ratio of the lengths: 1 is linear, {_LARGE / MIDDLE:.0f} "
        f"quadratic. A check reads at most {MOST_READ:,} characters of answer and sources; beyond, "
        "the verdict is missing (overflow), and its note says so. The cleaning for the judge has "
        f"no such limit; its third column is of {MOST_READ // 1000} kB.\n\n{times_table(times)}\n"
    )
    publish(text, times, CHECK_TIMES_RESULTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
