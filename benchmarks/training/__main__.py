"""`python -m benchmarks.training`: the cost of a training step, against TRL's on the same rows.

Row lengths like those of the campus logs on the embedded model: 1,300 tokens of system prompt, 300
of the row itself, answers of 64, 8 rows a step. The ids are random: they do not change the time.
Prints a table and, on the last line, the figures as JSON. The table replaces
results/training-DEVICE.md.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence

from benchmarks.result_page import Limit, conditions, limits_table, publish
from benchmarks.stopwatch import extra_peak_mb, median_seconds
from benchmarks.training.steps import RowLengths, StepFactory, TrainingStep
from config.checkout import ROOT
from config.training import CrossEntropy, Distillation
from data.records import Record
from engine.precision import precision

TRAINING_RESULTS = ROOT / "benchmarks" / "results" / "training.md"
ROW_LENGTHS = RowLengths(system=1300, own=300, answer=64, rows=8)


class TrainingFigures(Record):
    """The figures: ratios of steps that ran in turns."""

    kl_over_ce: float  # time per step, stored probabilities
    kl_vs_trl: float  # TRL's time per step ÷ ours
    kl_peak_memory_vs_trl: float  # our extra peak ÷ TRL's
    prefix_reuse: float  # time of the teacher's pass without ÷ with a cached prefix
    shared_prompt_vs_sft: float  # answers per second, ours ÷ SFTTrainer's, four per row
    ce_vs_sft: float  # the same with one answer per row


TRAINING_LIMITS = {
    "kl_over_ce": Limit("≤", 1.10, "kl from 20 stored probabilities ÷ ce, the same rows"),
    "kl_vs_trl": Limit(
        "≥", 3.0, "TRL's GKD loss, teacher's pass in the step, ÷ kl from stored probabilities"
    ),
    "kl_peak_memory_vs_trl": Limit(
        "≤", 0.25, "extra peak of loss and backward, from hidden states on, ours ÷ TRL's"
    ),
    "prefix_reuse": Limit(
        "≥", 4.0, "base's pass over prompted rows, whole ÷ behind the cached prefix"
    ),
    "shared_prompt_vs_sft": Limit(
        "≥", 2.0, "4 answers that share a prompt, against SFTTrainer on 4 rows"
    ),
    "ce_vs_sft": Limit(
        "≥", 1.15, "1 answer per row, against SFTTrainer on rows of equal length: no padding"
    ),
}


def measure_training(
    device: str, lengths: RowLengths, repeats: int
) -> tuple[TrainingFigures, dict[str, float], list[str]]:
    """The figures, the median seconds of each kind of step behind them, and remarks."""
    factory = StepFactory(device, lengths)
    ce, kl = factory.ours(CrossEntropy()), factory.ours(Distillation(direction="forward"))
    times: dict[str, float] = {}

    def measure(steps: dict[str, TrainingStep]) -> None:
        times.update(zip(steps, median_seconds(list(steps.values()), repeats), strict=True))

    measure({"ce": ce, "kl stored": kl, "TRL GKD": factory.gkd()})
    measure({"teacher, whole": factory.teacher(False), "teacher, prefix": factory.teacher(True)})
    four_answers = factory.ours(CrossEntropy(), 4)
    measure({"ce, 4 answers": four_answers, "SFT, 4 answers": factory.sft(4)})
    measure({"ce, 1 answer": ce, "SFT, 1 answer": factory.sft(1)})
    our_mb, gkd_mb = map(extra_peak_mb, factory.losses())
    figures = TrainingFigures(
        kl_over_ce=times["kl stored"] / times["ce"],
        kl_vs_trl=times["TRL GKD"] / times["kl stored"],
        kl_peak_memory_vs_trl=our_mb / gkd_mb,
        prefix_reuse=times["teacher, whole"] / times["teacher, prefix"],
        shared_prompt_vs_sft=times["SFT, 4 answers"] / times["ce, 4 answers"],
        ce_vs_sft=times["SFT, 1 answer"] / times["ce, 1 answer"],
    )
    sharing = 4 * (lengths.own + lengths.answer) / (lengths.own + 4 * lengths.answer)
    remarks = [
        f"extra peak of loss and backward: ours {our_mb:.0f} MB, TRL's {gkd_mb:.0f} MB",
        f"limit of prefix reuse by token count: {lengths.prompted / lengths.own:.2f}",
        f"limit of 4 answers by token count: {sharing:.2f}",
    ]
    return figures, times, remarks


def training_table(
    figures: TrainingFigures, times: Mapping[str, float], remarks: Sequence[str]
) -> str:
    """The tables in Markdown."""
    lines = limits_table(figures, TRAINING_LIMITS)
    lines += ["", "| step | seconds (median) |", "| --- | --- |"]
    lines += [f"| {name} | {seconds:.3f} |" for name, seconds in times.items()]
    return "\n".join([*lines, "", *(f"- {remark}" for remark in remarks)])


def main(argv: list[str] | None = None) -> int:
    """Measures, and prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each step")
    arguments = parser.parse_args(argv)
    setting = (
        f"{conditions(('torch', 'transformers', 'peft', 'trl'))}\n{ROW_LENGTHS.system} tokens "
        f"of prompt, {ROW_LENGTHS.own} of a row, {ROW_LENGTHS.answer} of an answer, "
        f"{ROW_LENGTHS.rows} rows a step, LoRA r 32 in {precision()}."
    )
    figures, times, remarks = measure_training(arguments.device, ROW_LENGTHS, arguments.repeats)
    tables = training_table(figures, times, remarks)
    text = f"# Cost of a training step\n\n{setting}\n\n{tables}\n"
    publish(text, figures, TRAINING_RESULTS.with_stem(f"training-{arguments.device}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
