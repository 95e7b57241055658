"""What the benchmark on a card measured: records, the goals as limits, tables."""

from collections.abc import Sequence

from benchmarks.result_page import Limit, limits_table
from data.records import Record

# dense bfloat16 TFLOP/s by data sheet, by a part of the card's name; the first that fits
_PEAKS = {
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H100": 989.0,  # SXM
    "H200": 989.0,
    "B200": 2250.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "A10": 125.0,
}


class TrainingMeasure(Record):
    """What one training took."""

    trainer: str  # with the settings that matter
    steps: int  # timed
    step_s: float  # median
    tokens_per_s: float  # of prompts and answers
    answers_per_s: float
    peak_gb: float  # 10⁹ bytes allocated at most, weights included; 0 without CUDA
    loss: float | None  # of the last step: a check that it is a number


class WorkloadMeasure(Record):
    """One training of ours or of the peer on one workload."""

    workload: str
    ours: bool
    measure: TrainingMeasure
    parameters: int  # of the layers: N of 4·N·D

    @property
    def tflops(self) -> float:
        """10¹² operations per second: two for each weight and token forward, two backward."""
        return 4 * self.parameters * self.measure.tokens_per_s / 1e12


class GpuFigures(Record):
    """The figures that have a goal; None: left out."""

    nemo_tokens_per_s: float | None = None
    ce_share_of_peak: float | None = None
    ce_vs_trl: float | None = None
    kl_over_ce: float | None = None
    kl_loss_gb: float | None = None
    four_answers: float | None = None
    prefix_reuse: float | None = None
    embedded_vs_trl: float | None = None


GPU_LIMITS = {
    "nemo_tokens_per_s": Limit(
        "≥", 14_110, "tokens/s on Qwen2.5-7B's shape, r 16, 32 × 4,096, learnt at every token"
    ),
    "ce_share_of_peak": Limit("≥", 0.45, "4·N·tokens/s of ce on Qwen3-4B ÷ the card's peak"),
    "ce_vs_trl": Limit("≥", 2.0, "tokens/s of ce on Qwen3-4B ÷ SFTTrainer's"),
    "kl_over_ce": Limit("≤", 1.05, "time of a step, kl from 20 stored probabilities ÷ ce"),
    "kl_loss_gb": Limit("≤", 2.0, "extra GB of that loss and its backward, a step's answer tokens"),
    "four_answers": Limit("≥", 2.5, "answers/s, four behind each prompt ÷ one"),
    "prefix_reuse": Limit("≥", 8.0, "the base's pass over 7,000 + 500 tokens, whole ÷ reused"),
    "embedded_vs_trl": Limit("≥", 3.0, "tokens/s on the embedded model's shape ÷ SFTTrainer's"),
}


class GpuResult(Record):
    """All that was measured."""

    card: str
    peak_tflops: float | None  # None: the card is not in our table
    figures: GpuFigures
    measures: list[WorkloadMeasure]
    left_out: dict[str, str]  # part → reason


def peak_tflops(card: str) -> float | None:
    """A card's dense bfloat16 peak by data sheet; None: not in our table."""
    return next((peak for name, peak in _PEAKS.items() if name in card), None)


def measure_of(
    measures: Sequence[WorkloadMeasure], workload: str, ours: bool
) -> WorkloadMeasure | None:
    """The measure of a workload; None where it was left out."""
    return next((m for m in measures if (m.workload, m.ours) == (workload, ours)), None)


def ratio_to_peer(measures: Sequence[WorkloadMeasure], workload: str) -> float | None:
    """Our tokens per second ÷ the peer's; None where one was left out."""
    ours, peer = (measure_of(measures, workload, ours) for ours in (True, False))
    if ours is None or peer is None:
        return None
    return ours.measure.tokens_per_s / peer.measure.tokens_per_s


def gpu_tables(result: GpuResult, setting: str) -> str:
    """The page in Markdown; `setting`: versions and time."""
    peak = f"peak {result.peak_tflops:,.0f} TFLOP/s" if result.peak_tflops else "peak unknown"
    lines = [
        *("# Training on one card", "", f"{result.card} ({peak}, dense bfloat16). {setting}", ""),
        "Random weights in published shapes. Each trainer ran its own `train()`, optimiser "
        "included. Share of the peak: 4·N·tokens/s, N without embedding and head.",
        *("", *limits_table(result.figures, GPU_LIMITS), ""),
        "| workload | trainer | steps | s a step | tokens/s | answers/s | share of peak | peak GB "
        "| ÷ TRL | loss |",
        "| --- " * 10 + "|",
    ]
    for record in result.measures:
        measure = record.measure
        ratio = ratio_to_peer(result.measures, record.workload) if record.ours else None
        share = record.tflops / result.peak_tflops if result.peak_tflops else None
        lines.append(
            f"| {record.workload} | {measure.trainer} | {measure.steps} | {measure.step_s:.3f} "
            f"| {measure.tokens_per_s:,.0f} | {measure.answers_per_s:.1f} "
            f"| {_cell(share, '.1%')} | {measure.peak_gb:.1f} | {_cell(ratio, '.2f')} "
            f"| {_cell(measure.loss, '.3f')} |"
        )
    lines += ["", *(f"- Left out: {part} ({reason})" for part, reason in result.left_out.items())]
    return "\n".join(lines).rstrip() + "\n"


def _cell(value: float | None, form: str) -> str:
    return "—" if value is None else format(value, form)
