"""The rows of each optimiser step of an epoch."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


class StepSampler(Sampler[list[int]]):
    """Steps in random order, each with rows of similar lengths, to save padding.

    The order depends on seed and epoch alone, so it survives a resume and any number of processes.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, epoch: Callable[[], int]
    ) -> None:
        """`lengths` of the rows in tokens; `epoch`: the number of the epoch that begins."""
        self._lengths = list(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-len(self._lengths) // self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch())
        size = self._batch_size
        rows = get_length_grouped_indices(self._lengths, size, generator=generator)
        steps = [rows[start : start + size] for start in range(0, len(rows), size)]
        # each group of steps runs from long to short rows: a checkpoint after the shortest ones
        # would be biased to them
        for step in torch.randperm(len(steps), generator=generator).tolist():
            yield steps[step]
