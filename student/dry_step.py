"""Measures what a pass of a training takes, by real forward and backward passes before it starts.

The rows are copies of the longest one, so objective, answers and the teacher's view are the
training's. What a step adds later, such as the optimiser's state, is computed.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import NamedTuple

import numpy as np
import torch

from config.training import Checkpointing, OnPolicy
from student.checkpointing import set_checkpointing
from student.collator import Example, TokenIds
from student.distiller import Distiller
from student.memory_plan import MemoryUse
from student.model import trainable

# runs a function and returns the most bytes that it took at one time, beside those in use before
PeakMeter = Callable[[Callable[[], None]], int]

# tokens of the smaller pass: of fewer a chunk of the loss is not full; the larger one has what
# `memory_plan` asks of a level at least
LEAST_MEASURED = 2048
_ORDER: tuple[Checkpointing, ...] = ("full", "off", "selective")  # of the measured levels


def cuda_peak(run: Callable[[], None]) -> int:
    """A `PeakMeter` of the current card."""
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_allocated() - before


class DryRows(NamedTuple):
    """Copies of a row, for a pass of a known size."""

    row: Example
    length: int  # tokens of the row in a pass
    longest: int  # tokens of the row of which this is a part
    least: int = LEAST_MEASURED

    def passes(self) -> tuple[int, int]:
        """How many rows the smaller and the larger pass have."""
        count = -(-self.least // self.length)
        return count, 2 * count


def longest_row(
    distiller: Distiller, examples: Sequence[Example], least: int = LEAST_MEASURED
) -> DryRows:
    """The row that needs the largest pass, without the start of its question where that is long.

    On policy an answer may have its most tokens.
    """
    rows = list(examples)
    if isinstance(distiller.objective, OnPolicy):
        answer = np.resize(rows[0].answers[0], distiller.sampling.max_tokens)
        rows = [row._replace(answers=(answer,), token_weights=(), dictated=()) for row in rows]
    row = max(rows, key=distiller.pass_length)
    longest = distiller.pass_length(row)
    if longest > least:
        shared = distiller.shared_prompt
        row = row._replace(
            prompt_ids=_without_start(row.prompt_ids, longest - least),
            teacher_prompt_ids=np.append(
                shared, _without_start(row.teacher_prompt_ids[len(shared) :], longest - least)
            ),
        )
    return DryRows(row, distiller.pass_length(row), longest, least)


def _without_start(ids: TokenIds, surplus: int) -> TokenIds:
    """At least one token remains, if there is one."""
    return ids[min(surplus, len(ids) - 1) :] if len(ids) else ids


def measure_passes(
    distiller: Distiller,
    rows: DryRows,
    levels: Sequence[Checkpointing],
    meter: PeakMeter,
    precision: Callable[[], AbstractContextManager[None]],
) -> MemoryUse:
    """The bytes of passes at each level, from two sizes; `fixed` is the larger one of all levels.

    `precision` is that of the training's forward passes. Leaves no gradient and no random number
    behind. A level whose pass does not fit is left out. Raises torch.OutOfMemoryError where none
    fits.
    """
    measured: dict[Checkpointing, tuple[float, float]] = {}
    order = sorted(levels, key=_ORDER.index)
    with untouched(distiller):
        for level in order:
            if level == "selective" and "off" in measured and "full" in measured:
                continue  # every other layer: half of both
            set_checkpointing(distiller.model, level)
            with suppress(torch.OutOfMemoryError):
                measured[level] = _measured_line(distiller, rows, meter, precision)
    set_checkpointing(distiller.model, "off")
    if not measured:
        raise torch.OutOfMemoryError(f"a pass of {rows.passes()[1] * rows.length} tokens")
    per_token = {level: slope for level, (_, slope) in measured.items()}
    if "selective" in levels and {"off", "full"} <= per_token.keys():
        per_token["selective"] = (per_token["off"] + per_token["full"]) / 2
    return MemoryUse(max(start for start, _ in measured.values()), per_token)


def optimiser_bytes(model: torch.nn.Module, averaging: bool) -> int:
    """Gradients, AdamW's two moments and the average of the weights, if any, in their own types."""
    copies = 3 + averaging
    return sum(copies * weight.nbytes for weight in trainable(model).values())


def _measured_line(
    distiller: Distiller,
    rows: DryRows,
    meter: PeakMeter,
    precision: Callable[[], AbstractContextManager[None]],
) -> tuple[float, float]:
    """Fixed bytes and bytes per token."""

    def run(count: int) -> None:
        distiller.tokens_per_pass = count * rows.length
        run_passes(distiller, [rows.row] * count, precision)

    small, large = rows.passes()
    run(small)  # workspaces, compiled kernels and the prompt's cache are there from now on
    peaks = [meter(lambda: run(small)), meter(lambda: run(large))]
    per_token = max(0.0, (peaks[1] - peaks[0]) / ((large - small) * rows.length))
    return max(0.0, peaks[0] - per_token * small * rows.length), per_token


def run_passes(
    distiller: Distiller,
    examples: Sequence[Example],
    precision: Callable[[], AbstractContextManager[None]],
) -> None:
    """Forward and backward passes over the examples, whose gradients are thrown away."""
    try:
        losses = distiller.losses(examples)
        while True:
            with precision():
                loss = next(losses, None)
            if loss is None:
                return
            torch.autograd.backward(loss)
    finally:
        distiller.model.zero_grad(set_to_none=True)


@contextmanager
def untouched(distiller: Distiller) -> Iterator[None]:
    """Random state, mode and tokens per pass are afterwards as before."""
    model, tokens = distiller.model, distiller.tokens_per_pass
    training = model.training
    device = next(model.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        model.train()
        try:
            yield
        finally:
            model.train(training)
            distiller.tokens_per_pass = tokens
