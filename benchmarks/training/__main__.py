"""`python -m benchmarks.training`: what a training step costs, beside TRL's on the same rows.

Campus-like lengths on the embedded model's weights: 1,300 tokens of system prompt, 300 of the row's
own, answers of 64, 8 rows a step. The ids are random: a step's time does not depend on them. Prints
a table and, on the last line, the figures as JSON; the table replaces results/training-DEVICE.md.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.limits import limit_lines
from benchmarks.outcome import circumstances, tell
from benchmarks.stopwatch import alternated, extra_peak_mb
from benchmarks.training.steps import Lengths, Made, Steps
from config.checkout import ROOT
from config.objectives import CrossEntropy, Distillation
from data.records import Record
from engine.precision import precision

RESULTS = ROOT / "benchmarks" / "results" / "training.md"
CAMPUS = Lengths(system=1300, own=300, answer=64, rows=8)


class Figures(Record):
    """The benchmark's outcome, as ratios measured side by side."""

    kl_over_ce: float  # time a step, stored probabilities
    kl_vs_trl: float  # TRL's time a step ÷ ours
    kl_peak_memory_vs_trl: float  # our extra peak ÷ TRL's
    prefix_reuse: float  # time of the teacher's pass without ÷ with
    shared_prompt_vs_sft: float  # answers a second, ours ÷ SFTTrainer's, four to a row
    ce_vs_sft: float  # likewise, one to a row


# at most (True) or at least
LIMITS: dict[str, tuple[bool, float]] = {
    "kl_over_ce": (True, 1.10),
    "kl_vs_trl": (False, 3.0),
    "kl_peak_memory_vs_trl": (True, 0.25),
    "prefix_reuse": (False, 4.0),
    "shared_prompt_vs_sft": (False, 2.0),
    "ce_vs_sft": (False, 1.15),
}
_HOW = {
    "kl_over_ce": "kl from 20 stored probabilities ÷ ce, the same rows",
    "kl_vs_trl": "TRL's GKD loss with the prompted view read in the step ÷ kl from stored ones",
    "kl_peak_memory_vs_trl": "extra peak of loss and backward, from hidden states on, ours ÷ TRL's",
    "prefix_reuse": "base's pass over prompted rows, whole ÷ behind the prefix read once",
    "shared_prompt_vs_sft": "4 answers to a row, prompt read once, against SFTTrainer on 4 rows",
    "ce_vs_sft": "1 answer to a row, against SFTTrainer on rows of equal length: no padding",
}


class Timed(NamedTuple):
    """Seconds of one kind of step, and where they stand in a ratio."""

    name: str
    seconds: float


def measure(made: Made, lengths: Lengths, repeats: int) -> tuple[Figures, list[Timed], list[str]]:
    """Figures, what they are made of, and remarks."""
    steps = Steps(made, lengths)
    stored, text = Distillation(direction="forward"), CrossEntropy()
    ce, kl, gkd = steps.ours(text), steps.ours(stored), steps.gkd()
    a = _times(repeats, ("ce", ce), ("kl stored", kl), ("TRL GKD", gkd))
    b = _times(
        repeats, ("teacher, whole", steps.teacher(False)), ("teacher, prefix", steps.teacher(True))
    )
    c = _times(repeats, ("ce, 4 answers", steps.branched()), ("SFT, 4 answers", steps.sft(4)))
    d = _times(repeats, ("ce, 1 answer", ce), ("SFT, 1 answer", steps.sft(1)))
    ours_mb, gkd_mb = map(extra_peak_mb, steps.losses())
    figures = Figures(
        kl_over_ce=a[1].seconds / a[0].seconds,
        kl_vs_trl=a[2].seconds / a[1].seconds,
        kl_peak_memory_vs_trl=ours_mb / gkd_mb,
        prefix_reuse=b[0].seconds / b[1].seconds,
        shared_prompt_vs_sft=c[1].seconds / c[0].seconds,
        ce_vs_sft=d[1].seconds / d[0].seconds,
    )
    whole, behind = lengths.prompted, lengths.own
    remarks = [
        f"extra peak of loss and backward: ours {ours_mb:.0f} MB, TRL's {gkd_mb:.0f} MB",
        f"limit of prefix reuse by token count: {whole / behind:.2f}",
        f"limit of 4 answers by token count: {lengths.four_alone / lengths.four_shared:.2f}",
    ]
    return figures, [*a, *b, *c, *d], remarks


def _times(repeats: int, *named: tuple[str, Callable[[], None]]) -> list[Timed]:
    seconds = alternated([step for _, step in named], repeats)
    return [Timed(name, took) for (name, _), took in zip(named, seconds, strict=True)]


def table(figures: Figures, times: Sequence[Timed], remarks: Sequence[str]) -> str:
    """In Markdown."""
    lines = limit_lines(figures, LIMITS, _HOW)
    lines += ["", "| step | seconds (median) |", "| --- | --- |"]
    lines += [f"| {timed.name} | {timed.seconds:.3f} |" for timed in times]
    return "\n".join([*lines, "", *(f"- {remark}" for remark in remarks)])


def main(argv: list[str] | None = None) -> int:
    """Measures and prints."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    made.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    made.add_argument("--repeats", type=int, default=3, help="of which the median counts")
    arguments = made.parse_args(argv)
    measured = (
        f"{circumstances(('torch', 'transformers', 'peft', 'trl'))}\n{CAMPUS.system} tokens of "
        f"prompt, {CAMPUS.own} own, {CAMPUS.answer} of an answer, {CAMPUS.rows} rows a step, LoRA "
        f"r 32 in {precision()}."
    )
    figures, times, remarks = measure(Made.embedded(arguments.device), CAMPUS, arguments.repeats)
    text = f"# What a training step costs\n\n{measured}\n\n{table(figures, times, remarks)}\n"
    if arguments.device == "cuda":
        from benchmarks.training.cards import card_table

        text += "\n" + card_table()
    tell(text, figures, RESULTS.with_stem(f"training-{arguments.device}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
