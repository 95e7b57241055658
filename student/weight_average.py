"""An exponential average of the trained weights over the optimiser steps, evaluated and served.

Late weights swing from one step to the next, and with them whole rules. Their average does not
(Polyak and Juditsky 1992; Izmailov et al., arXiv 1803.05407). Training goes on from the weights
themselves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback

from engine.models import TorchModel
from student.checkpoint import AVERAGED, load_trained, save_trained
from student.model import trainable


class WeightAverage(TrainerCallback):  # type: ignore[misc]
    """The average of one training; each process averages its own shards."""

    def __init__(self, model: TorchModel, half_life: float) -> None:
        """`half_life` as a share of all steps: a step weighs half of one so much later."""
        self._model, self._half_life = model, half_life
        self._averages: list[torch.Tensor] = []  # none before the first step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Takes in the weights after a step."""
        if not self._averages:
            self._averages = [weight.clone() for weight in self._weights()]
        decay = 0.5 ** (1 / (self._half_life * state.max_steps))
        share = (1 - decay) / (1 - decay**state.global_step)  # of the newest, among all so far
        for average, weight in zip(self._averages, self._weights(), strict=True):
            average.lerp_(weight, share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the average in place of its weights."""
        weights = self._weights()
        originals = [weight.clone() for weight in weights]
        _copy(self._averages, weights)
        try:
            yield
        finally:
            _copy(originals, weights)

    def save(self, folder: Path) -> None:
        """Writes the average into a checkpoint. Every process must call this."""
        with self.in_place():
            save_trained(self._model, folder, AVERAGED)

    def load(self, folder: Path) -> None:
        """Goes on from the average in a checkpoint. Overwrites the model's weights."""
        load_trained(self._model, folder, AVERAGED)
        self._averages = [weight.clone() for weight in self._weights()]

    def _weights(self) -> list[torch.Tensor]:
        """The trained weights of this process."""
        weights = [weight.detach() for weight in trainable(self._model).values()]
        return [w.to_local() if isinstance(w, DTensor) else w for w in weights]


def _copy(sources: list[torch.Tensor], targets: list[torch.Tensor]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)
