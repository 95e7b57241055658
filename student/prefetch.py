"""Batches on their way to the device: on CUDA the next one is collated while a pass runs.

A plain copy to a card waits until the card has finished what it was told before. So batches are put
into pinned memory on a thread, and copied without waiting.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from student.collator import Batch

_T = TypeVar("_T")
_Batches = TypeVar("_Batches", bound=tuple[Batch | None, ...])
_END = object()


def device_batches(collated: Iterator[_Batches], device: torch.device) -> Iterator[_Batches]:
    """Groups of batches on the device, in their order. `collated` makes them on the CPU."""
    if device.type != "cuda":
        yield from (_mapped(group, lambda tensor: tensor.to(device)) for group in collated)
        return
    pinned = (_mapped(group, lambda tensor: tensor.pin_memory()) for group in collated)
    for group in prefetched(pinned):
        yield _mapped(group, lambda tensor: tensor.to(device, non_blocking=True))


def prefetched(items: Iterator[_T]) -> Iterator[_T]:
    """The items in their order; the next one is made on a thread while one is used.

    Errors are raised where the item would have come. The thread ends with the iterator.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="collate") as thread:
        upcoming = thread.submit(next, items, _END)
        while (item := upcoming.result()) is not _END:
            upcoming = thread.submit(next, items, _END)
            yield item  # type: ignore[misc]


def _mapped(group: _Batches, move: Callable[[torch.Tensor], torch.Tensor]) -> _Batches:
    return tuple(batch and _moved(batch, move) for batch in group)  # type: ignore[return-value]


def _moved(batch: Batch, move: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
    return Batch._make(move(part) if isinstance(part, torch.Tensor) else part for part in batch)
