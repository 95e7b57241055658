"""The benchmark for cards runs its whole path on a CPU, at sizes of seconds."""

import pytest

from benchmarks.training.gpu_benchmark import measure_on_card
from benchmarks.training.gpu_parts import GpuWorkloads, workload_title
from benchmarks.training.gpu_result import (
    GPU_LIMITS,
    GpuFigures,
    GpuResult,
    TrainingMeasure,
    WorkloadMeasure,
    gpu_tables,
    measure_of,
    peak_tflops,
    ratio_to_peer,
)
from benchmarks.training.model_shapes import QWEN25_7B, ModelShape
from benchmarks.training.random_examples import ExampleLengths, random_examples, token_count
from config.peft_methods import LoraMethod
from config.training import CrossEntropy

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 512,
    "head_dim": 8,
}
LLAMA = ModelShape("tiny-llama", "llama", SIZES)
QWEN3 = ModelShape("tiny-qwen3", "qwen3", SIZES)
QWEN2 = ModelShape("tiny-qwen2", "qwen2", SIZES)
SMALL = ExampleLengths(12, 4, rows=4)
TINY = GpuWorkloads(
    embedded=LLAMA,
    small=QWEN3._replace(name="tiny-qwen3-small"),
    middle=QWEN3,
    nemo=QWEN2,
    short=SMALL._replace(varied=True),
    campus=SMALL,
    four=SMALL._replace(rows=1, answers=4),
    mock=ExampleLengths(1, 15, rows=4),
    system=40,
    behind=SMALL,
)


@pytest.fixture(scope="module")
def result() -> GpuResult:
    """All parts, on a CPU."""
    return measure_on_card("cpu", TINY)


@pytest.mark.slow
def test_every_part_runs(result: GpuResult) -> None:
    """Only qlora needs CUDA; it is left out with its reason. Every figure but the share of a
    card's peak is there."""
    ((part, reason),) = result.left_out.items()
    assert "qlora" in part and "needs a CUDA device" in reason
    missing = {name for name, value in result.figures.model_dump().items() if value is None}
    assert missing == {"ce_share_of_peak"}
    assert len(result.measures) == 10  # 7 of ours and 3 of TRL's
    assert all(m.measure.steps >= 1 and m.measure.step_s > 0 for m in result.measures)
    # random weights: about log 512 = 6.2 nats a token, ours and TRL's alike
    losses = [m.measure.loss for m in result.measures if "kl" not in m.workload]
    assert all(loss is not None and 6 < loss < 7 for loss in losses)


@pytest.mark.slow
def test_the_page_has_every_figure_and_workload(result: GpuResult) -> None:
    """Figures beside their goals, a line for each training, and what was left out."""
    assert set(GPU_LIMITS) == set(GpuFigures.model_fields)
    text = gpu_tables(result, "today.")
    assert all(text.count(f"| {name} | ") == 1 for name in GPU_LIMITS)
    assert text.count("| ours, checkpointing off") == 7 and text.count("| TRL, 4 rows a pass") == 3
    assert "- Left out: ours, tiny-qwen3, qlora r 32" in text


def test_no_part_begins_when_the_time_is_used_up() -> None:
    """Each is left out with that reason; nothing is measured and nothing fails."""
    result = measure_on_card("cpu", TINY, seconds=0.0)
    assert not result.measures and len(result.left_out) == 13
    assert set(result.left_out.values()) == {"the 0 s are used up"}
    assert set(result.figures.model_dump().values()) == {None}
    assert "| nemo_tokens_per_s | — | ≥ 14,110 |" in gpu_tables(result, "today.")


def test_share_and_ratio() -> None:
    """NeMo's published 14,110 tokens/s on Qwen2.5-7B are 37 % of 989 TFLOP/s by the layers' weights
    alone: 4 · 6.53e9 · 14,110 = 3.69e14."""
    title = workload_title(QWEN25_7B, SMALL, LoraMethod(), CrossEntropy())

    def measure(ours: bool, tokens_per_s: float) -> WorkloadMeasure:
        of_training = TrainingMeasure(
            trainer="x", steps=1, step_s=1, tokens_per_s=tokens_per_s, answers_per_s=1, peak_gb=0,
            loss=None,
        )  # fmt: skip
        return WorkloadMeasure(
            workload=title, ours=ours, measure=of_training, parameters=6_525_621_248
        )

    measures = [measure(True, 14_110), measure(False, 7_055)]
    assert measures[0].tflops / 989 == pytest.approx(0.3724, abs=1e-4)
    assert ratio_to_peer(measures, title) == 2
    assert measure_of(measures, "another", ours=True) is None
    assert ratio_to_peer(measures[:1], title) is None
    assert peak_tflops("NVIDIA H100 80GB HBM3") == 989
    assert peak_tflops("NVIDIA H100 PCIe") == 756 and peak_tflops("GTX 1080") is None


def test_varied_rows_have_the_same_tokens() -> None:
    """Lengths from about a half to one and a half, so that a step's work is the same."""
    lengths = ExampleLengths(1500, 200, rows=32)
    rows = random_examples(lengths._replace(varied=True), 1000)
    assert token_count(rows) == token_count(random_examples(lengths, 1000)) == 32 * 1700
    assert {min(map(len, (r.prompt_ids for r in rows))), len(rows[-1].prompt_ids)} == {773, 2227}
    (stored,) = random_examples(SMALL._replace(stored=True), 1000)[0].top_logprobs
    assert stored and all(len(set(position)) == 20 for position in stored.ids.tolist())
