"""`python -m benchmarks.training`: the cost of a training step, against TRL's on the same rows.

Each trainer runs in its own loop with the same `SFTConfig`, in float32 and in the precision of the
machine; a step is what the loop does between two batches, the update included.

Row lengths like those of the campus logs on the embedded model: 1,300 tokens of system prompt, 300
of the row itself, answers of 64, 8 rows a step. The ids are random: they do not change the time.
Prints a table and, on the last line, the figures as JSON. The table replaces
results/training-cpu.md.

`--device cuda` instead runs whole trainings of published shapes in six minutes (gpu_benchmark.py).
It reads no network: beside torch it needs transformers, trl, peft, accelerate, datasets and what
they import, as wheels in a folder: `pip install --no-index --find-links WHEELS --target SITE
transformers trl peft accelerate datasets pydantic openai optuna tenacity gguf` and
`PYTHONPATH=SITE python -m benchmarks.training --device cuda`. liger-kernel makes the peer faster,
bitsandbytes adds qlora.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence

from benchmarks.result_page import Limit, conditions, limits_table, publish
from benchmarks.stopwatch import extra_peak_mb, median_seconds
from benchmarks.training.benchmark_rows import BenchmarkRows, RowLengths
from benchmarks.training.steps import StepFactory
from benchmarks.training.trainers import TrainerFactory, median_step_seconds
from config.checkout import ROOT
from config.training import CrossEntropy, Distillation
from data.records import Record
from engine.precision import Precision, precision

TRAINING_RESULTS = ROOT / "benchmarks" / "results" / "training-cpu.md"
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


class TrainingComparison(Record):
    """The figures of each precision; None where the machine does not multiply it."""

    float32: TrainingFigures
    float16: TrainingFigures | None = None
    bfloat16: TrainingFigures | None = None


def measure_training(
    device: str, dtype: Precision, rows: BenchmarkRows, repeats: int
) -> tuple[TrainingFigures, dict[str, float], list[str]]:
    """The figures, the median seconds of each kind of step behind them, and remarks."""
    lengths = rows.lengths
    trainers = TrainerFactory(device, dtype, rows)
    times = median_step_seconds(
        {
            "ce": trainers.ours(CrossEntropy()),
            "kl stored": trainers.ours(Distillation(direction="forward")),
            "TRL GKD": trainers.gkd(),
            "SFT": trainers.sft(1),
            "ce, 4 answers": trainers.ours(CrossEntropy(), 4),
            "SFT, 4 answers": trainers.sft(4),
        },
        repeats,
    )
    parts = StepFactory(device, dtype, rows)
    passes = {"teacher, whole": parts.teacher(False), "teacher, prefix": parts.teacher(True)}
    times.update(zip(passes, median_seconds(list(passes.values()), repeats), strict=True))
    our_mb, gkd_mb = map(extra_peak_mb, parts.losses())
    figures = TrainingFigures(
        kl_over_ce=times["kl stored"] / times["ce"],
        kl_vs_trl=times["TRL GKD"] / times["kl stored"],
        kl_peak_memory_vs_trl=our_mb / gkd_mb,
        prefix_reuse=times["teacher, whole"] / times["teacher, prefix"],
        shared_prompt_vs_sft=times["SFT, 4 answers"] / times["ce, 4 answers"],
        ce_vs_sft=times["SFT"] / times["ce"],
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
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each step on cpu")
    arguments = parser.parse_args(argv)
    if arguments.device == "cuda":
        from benchmarks.training.gpu_benchmark import run_gpu_benchmark

        run_gpu_benchmark()
        return 0
    dtypes: dict[Precision, None] = dict.fromkeys(("float32", precision()))
    text, measured = "# Cost of a training step\n", {}
    for dtype in dtypes:
        setting = (
            f"{conditions(('torch', 'transformers', 'peft', 'trl'))}\n"
            f"{ROW_LENGTHS.system} tokens of prompt, {ROW_LENGTHS.own} of a row, "
            f"{ROW_LENGTHS.answer} of an answer, {ROW_LENGTHS.rows} rows a step, LoRA r 32 in "
            f"{dtype}. Each trainer ran in its own loop, all with the same settings."
        )
        figures, times, remarks = measure_training(
            "cpu", dtype, BenchmarkRows(ROW_LENGTHS), arguments.repeats
        )
        measured[dtype] = figures
        text += f"\n## In {dtype}\n\n{setting}\n\n{training_table(figures, times, remarks)}\n"
    page = TRAINING_RESULTS
    publish(text, TrainingComparison.model_validate(measured), page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
