"""`python -m benchmarks.training --device cuda`: whole trainings on one card, against TRL's.

Models of published shapes with random weights, in a temporary folder (27 GB; where memory is
ample, `TMPDIR=/dev/shm` saves the disk). Each part has a limit of its own in seconds, and all
together have six minutes; a part that fails or has no time left is left out with its reason.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, NamedTuple, NoReturn

import torch

from benchmarks.result_page import conditions, publish
from benchmarks.training.gpu_parts import GpuParts, GpuWorkloads, workload_title
from benchmarks.training.gpu_result import (
    GpuFigures,
    GpuResult,
    gpu_tables,
    measure_of,
    peak_tflops,
    ratio_to_peer,
)
from benchmarks.training.model_shapes import ModelShape
from benchmarks.training.random_examples import ExampleLengths
from config.checkout import ROOT
from config.console import print
from config.errors import first_line
from config.peft_methods import LoraMethod
from config.training import CrossEntropy, Distillation
from engine.precision import has_gpu

BENCHMARK_S = 345.0  # of all parts; imports and the page come beside them
_LEAST_S = 10.0  # with less time left no part begins
_PAGE = ROOT / "benchmarks" / "results" / "training-cuda.md"


class BenchmarkPart(NamedTuple):
    """A part, and the seconds that it may take."""

    title: str
    seconds: float
    run: Callable[[float], object]  # takes the deadline of its last step, by `perf_counter`


class PartOutOfTime(Exception):
    """A part took longer than it may."""


def run_gpu_benchmark() -> None:
    """Measures on this machine's card, prints the tables and the JSON, and replaces the page."""
    setting = conditions(("torch", "transformers", "peft", "trl"))
    result = measure_on_card("cuda", GpuWorkloads())
    publish(gpu_tables(result, setting), result, _PAGE)


def measure_on_card(
    device: str, workloads: GpuWorkloads, seconds: float = BENCHMARK_S
) -> GpuResult:
    """Runs part after part until the time is used up. On CUDA a part that hangs is interrupted."""
    parts, left_out = GpuParts(device, workloads), dict[str, str]()
    start = time.perf_counter()
    for part in benchmark_parts(parts, workloads):
        past = time.perf_counter() - start
        limit = min(part.seconds, seconds - past)
        if limit < _LEAST_S:
            left_out[part.title] = f"the {seconds:.0f} s are used up"
            continue
        print(f"{past:4.0f} s: {part.title}, at most {limit:.0f} s", flush=True)
        try:
            with _interrupted_after(limit if device == "cuda" else None):
                part.run(time.perf_counter() + 0.8 * limit)
        except Exception as error:  # the other parts go on
            line = first_line(error)
            left_out[part.title] = f"{type(error).__name__}: {line}"
            print(f"  left out, {left_out[part.title]}", flush=True)
            parts.free()
    parts.close()
    card = torch.cuda.get_device_name() if has_gpu() else "CPU"
    return GpuResult(
        card=card,
        peak_tflops=peak_tflops(card),
        figures=_figures(parts, workloads, peak_tflops(card)),
        measures=parts.measures,
        left_out=left_out,
    )


def benchmark_parts(parts: GpuParts, workloads: GpuWorkloads) -> Iterator[BenchmarkPart]:
    """All parts, the most valuable first, with few changes of the model."""
    w, kl, qlora = workloads, Distillation(direction="forward"), LoraMethod(kind="qlora")
    stored, varied = w.campus._replace(stored=True), w.campus._replace(varied=True)

    def ours(seconds: float, *workload: Any) -> BenchmarkPart:
        run = partial(parts.ours, *workload)
        return BenchmarkPart(f"ours, {workload_title(*workload)}", seconds, run)

    def trl(seconds: float, shape: ModelShape, lengths: ExampleLengths) -> BenchmarkPart:
        title = workload_title(shape, lengths, _LORA, _CE)
        return BenchmarkPart(f"TRL, {title}", seconds, partial(parts.trl, shape, lengths))

    yield ours(45, w.embedded, w.short, _LORA, _CE)
    yield trl(30, w.embedded, w.short)
    yield ours(80, w.middle, w.campus, _LORA, _CE)
    yield ours(40, w.middle, stored, _LORA, kl)
    yield BenchmarkPart(
        f"memory of the kl loss, {w.middle.name}",
        15,
        lambda _: parts.stored_loss_memory(w.middle, stored),
    )
    yield ours(40, w.middle, w.four, _LORA, _CE)
    yield BenchmarkPart(
        f"the teacher's pass, whole and behind its prompt, {w.middle.name}",
        30,
        lambda _: parts.teacher_prefix(w.middle, w.system, w.behind),
    )
    yield trl(45, w.middle, w.campus)
    yield ours(100, w.nemo, w.mock, _RANK_16, _CE)
    yield ours(40, w.middle, varied, _LORA, _CE)
    yield ours(45, w.middle, w.campus, qlora, _CE)
    yield ours(45, w.small, w.campus, _LORA, _CE)
    yield trl(30, w.small, w.campus)


_LORA, _RANK_16, _CE = LoraMethod(), LoraMethod(rank=16, alpha=32), CrossEntropy()


def _figures(parts: GpuParts, workloads: GpuWorkloads, peak: float | None) -> GpuFigures:
    w, measures = workloads, parts.measures
    kl = Distillation(direction="forward")
    embedded, ce = (
        workload_title(shape, lengths, _LORA, _CE)
        for shape, lengths in ((w.embedded, w.short), (w.middle, w.campus))
    )
    stored = workload_title(w.middle, w.campus._replace(stored=True), _LORA, kl)
    of_ce, of_kl, of_four, of_nemo = (
        measure_of(measures, title, ours=True)
        for title in (
            ce,
            stored,
            workload_title(w.middle, w.four, _LORA, _CE),
            workload_title(w.nemo, w.mock, _RANK_16, _CE),
        )
    )
    return GpuFigures(
        nemo_tokens_per_s=of_nemo and of_nemo.measure.tokens_per_s,
        ce_share_of_peak=of_ce.tflops / peak if of_ce and peak else None,
        ce_vs_trl=ratio_to_peer(measures, ce),
        kl_over_ce=of_kl.measure.step_s / of_ce.measure.step_s if of_kl and of_ce else None,
        kl_loss_gb=parts.loss_gb,
        four_answers=of_four.measure.answers_per_s / of_ce.measure.answers_per_s
        if of_four and of_ce
        else None,
        prefix_reuse=parts.prefix_reuse,
        embedded_vs_trl=ratio_to_peer(measures, embedded),
    )


@contextmanager
def _interrupted_after(seconds: float | None) -> Iterator[None]:
    """Raises PartOutOfTime in the block after so many seconds; None: never."""
    if seconds is None:
        yield
        return

    def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise PartOutOfTime(f"took more than {math.ceil(seconds)} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
