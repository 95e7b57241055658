"""Memory and time of typical models on typical devices: the tables of docs/hardware.md.

By the estimator of the dry run. `python -m tests.hardware_table` writes them anew.
"""

from types import SimpleNamespace
from typing import Any, cast

from config.checkout import ROOT
from config.schema import Config
from config.training import StudentSettings
from data.atomic_write import write_text
from data.rows import Row
from engine.request_builder import RequestBuilder
from pipeline.plan.device_rates import DeviceRates, RateRange, cpu_rates, gpu_rates
from pipeline.plan.estimate import Estimator, duration_range
from pipeline.plan.model_size import EMBEDDED_PARAMETERS, ModelSize
from pipeline.plan.row_tokens import RowTokens
from pipeline.plan.training_memory import card_plan, training_gib
from pipeline.plan.training_steps import training_steps
from pipeline.plan.workload import prediction_work, teacher_work, training_work
from student.memory_plan import Rows

PAGE = ROOT / "docs/hardware.md"
_BEGIN, _END = "<!-- tables: begin -->\n", "<!-- tables: end -->\n"

_WORDS = 151_936  # of Qwen's vocabularies
# parameters, hidden size, layers, and those of embeddings and head (tied up to 4B), by the models'
# config.json on the hub
SIZES = {
    "135M (SmolLM2)": ModelSize(EMBEDDED_PARAMETERS, 576, 30, 49_152 * 576),
    "0.5B (Qwen2.5)": ModelSize(494_032_768, 896, 24, _WORDS * 896),
    "1.7B (Qwen3)": ModelSize(1_720_574_976, 2048, 28, _WORDS * 2048),
    "4B (Qwen3)": ModelSize(4_022_468_096, 2560, 36, _WORDS * 2560),
    "8B (Qwen3)": ModelSize(8_190_735_360, 4096, 36, 2 * _WORDS * 4096),
    "14B (Qwen3)": ModelSize(14_768_307_200, 5120, 40, 2 * _WORDS * 5120),
    "32B (Qwen3)": ModelSize(32_762_123_264, 5120, 64, 2 * _WORDS * 5120),
}
METHODS: dict[str, dict[str, Any]] = {
    "LoRA": {"kind": "lora"},
    "QLoRA": {"kind": "qlora"},
    "full": {"kind": "full"},
}
# the workload: tokens of the prompt with its examples, of a question with passages, of an answer
PROMPT, QUESTION, ANSWER = 1500, 300, 120
TRAIN, VAL = 400, 100
_GIB = 2**30
# the rows of the tables of what fits and of 1,000 rows: those of the benchmark on an H100
ROW, BATCH = 1500 + 200, 32
CARDS_GB = (16, 24, 40, 80)
CARD_SIZES = ("1.7B (Qwen3)", "4B (Qwen3)", "8B (Qwen3)", "14B (Qwen3)")
# Measured on an H100 before passes were packed (Qwen3-4B, LoRA r 32, cross-entropy, passes of
# 8,192): tokens per second where no layer is computed again, and where every one is.
MEASURED, MEASURED_FULL = 14_020, 9470
_MEASURED_SIZE = SIZES["4B (Qwen3)"]
_TFLOPS = {"H100": 989, "A100": 312, "L4": 121}  # dense bfloat16, of their data sheets
_CPU_ENGINE_GIB = 5.5  # cache and process of vLLM on a CPU, as in pipeline/plan/estimate.py


def devices() -> dict[str, DeviceRates]:
    """Heading → device; memory in GiB as `nvidia-smi` states it."""
    return {
        "2 CPU cores, 16 GiB": cpu_rates(2, True, 16.0),
        "T4, 15 GiB": gpu_rates("T4", 15.0),
        "L4, 22 GiB": gpu_rates("L4", 22.5),
        "A100, 80 GiB": gpu_rates("A100", 80.0),
        "H100, 80 GiB": gpu_rates("H100", 79.6),
    }


def _config(method: str) -> Config:
    return Config.model_validate(
        {
            "name": "typical",
            "prompt": {"system": "prompt.yaml", "rules": "rules.yaml"},
            "data": {"train": "logs.jsonl"},
            "model": {"name": "model", "max_length": 4096},
            "students": [{"name": "student", "method": METHODS[method]}],
        }
    )


def student_of(method: str) -> StudentSettings:
    """The student of a table's method."""
    return _config(method).students[0]


def _rows() -> list[RowTokens]:
    row, whole = Row(id="row", question="?", contexts=()), PROMPT + QUESTION
    train = [RowTokens(row, "train", whole, QUESTION, True, 0, "")] * TRAIN
    return [*train, *[RowTokens(row, "val", whole, QUESTION, True, 0, "")] * VAL]


def memory(method: str, size: ModelSize, device: DeviceRates) -> RateRange:
    """GiB of a training, at its peak."""
    return training_gib(student_of(method), size, QUESTION + ANSWER, device.gpu)


def run_seconds(method: str, size: ModelSize, device: DeviceRates) -> RateRange:
    """Seconds of teacher, training and prediction, judged by code alone."""
    config, rows, estimator = _config(method), _rows(), Estimator(device, size)
    builder = cast(RequestBuilder, SimpleNamespace(config=config))
    (plan,) = training_steps(config, TRAIN)
    parts = (
        estimator.answering(teacher_work(builder, rows, ANSWER)),
        estimator.training(training_work(config, plan, rows, ANSWER)),
        estimator.answering(prediction_work(config, rows, ANSWER)),
    )
    known = [part for part in parts if part is not None]
    assert len(known) == len(parts)  # every device of the tables has figures
    return sum(low for low, _ in known), sum(high for _, high in known)


def verdict(method: str, size: ModelSize, device: DeviceRates) -> str:
    """Whether a run fits on the device, and its time."""
    if method == "QLoRA" and not device.gpu:
        return "needs CUDA"
    low, high = memory(method, size, device)
    if low > device.memory_gib:
        return "no"
    weights, room = size.parameters * 2 / _GIB, device.memory_gib - _CPU_ENGINE_GIB
    if weights > (0.8 * device.memory_gib - 1 if device.gpu else room):
        return "trains, cannot answer"
    tight = "tight: " if high > device.memory_gib else ""
    return tight + duration_range(run_seconds(method, size, device))


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def card_cell(method: str, size: ModelSize, gigabytes: int) -> str:
    """What is recomputed and the tokens of a pass on an empty card, or that it does not fit."""
    student = student_of(method)
    plan = card_plan(student, size, Rows(ROW, BATCH * ROW), gigabytes * 1e9)
    return f"{plan.checkpointing}, {plan.tokens_per_pass:,}" if plan.fits else "no"


def thousand_rows_seconds(size: ModelSize, card: str, recomputed: bool) -> float:
    """Seconds of an epoch of 1,000 rows, at the share of the peak measured for one size."""
    rate = MEASURED_FULL if recomputed else MEASURED
    scale = _MEASURED_SIZE.parameters / size.parameters * _TFLOPS[card] / _TFLOPS["H100"]
    return 1000 * ROW / (rate * scale)


def _card_tables() -> list[str]:
    cards = [f"{gigabytes} GB" for gigabytes in CARDS_GB]
    rows = [
        [name, method, *(card_cell(method, SIZES[name], gigabytes) for gigabytes in CARDS_GB)]
        for name in CARD_SIZES
        for method in METHODS
    ]
    times = []
    for name in CARD_SIZES:
        cells = [
            f"{thousand_rows_seconds(SIZES[name], card, recomputed) / 60:.1f}"
            for card in _TFLOPS
            for recomputed in (False, True)
        ]
        times.append([name, *cells])
    heads = [f"{card}, {level}" for card in _TFLOPS for level in ("off", "full")]
    return [
        "### What fits on a card: checkpointing, and tokens of a pass",
        _table(["base", "method", *cards], rows),
        "### Minutes for an epoch of 1,000 rows of 1,700 tokens, LoRA",
        _table(["base", *heads], times),
    ]


def tables() -> str:
    """Markdown: the memory of a training by size and method; the time by size and device."""
    gpu, cpu = devices()["A100, 80 GiB"], devices()["2 CPU cores, 16 GiB"]
    columns = [(method, gpu) for method in METHODS] + [("LoRA", cpu), ("full", cpu)]
    heads = ["base", "weights in 16 bits"]
    heads += [f"{method}, {'GPU' if device.gpu else 'CPU'}" for method, device in columns]
    rows = []
    for name, size in SIZES.items():
        ranges = [memory(method, size, device) for method, device in columns]
        cells = [f"{low:.0f} to {high:.0f}" for low, high in ranges]
        rows.append([name, f"{size.parameters * 2 / _GIB:.1f}", *cells])
    parts = ["### Memory of a training, in GiB (on a GPU: the least)", _table(heads, rows)]
    for method in METHODS:
        times = [
            [name, *(verdict(method, size, device) for device in devices().values())]
            for name, size in SIZES.items()
        ]
        parts += [f"### Time of a run, {method}", _table(["base", *devices()], times)]
    parts[:0] = _card_tables()
    return "\n\n".join(parts)


def page_with_tables(text: str, page: str) -> str:
    """The page with these tables in place of its own."""
    before, rest = page.split(_BEGIN)
    return f"{before}{_BEGIN}\n{text}\n\n{_END}{rest.split(_END)[1]}"


if __name__ == "__main__":
    write_text(PAGE, page_with_tables(tables(), PAGE.read_text("utf-8")))
