"""A step that runs out of memory is repeated from where it began, with smaller passes."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

_T = TypeVar("_T")


def repeat_until_it_fits(step: Callable[[], _T], make_smaller: Callable[[], None]) -> _T:
    """The result of `step`, which is repeated after `make_smaller` when it runs out of memory.

    `make_smaller` undoes what the step left behind and raises where nothing smaller is left. Random
    numbers are those of the first attempt.
    """
    state = torch.get_rng_state()
    card_state = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    while True:
        try:
            return step()
        except torch.OutOfMemoryError:
            pass  # behind its handler nothing holds the tensors of the failed pass
        make_smaller()
        torch.set_rng_state(state)
        if card_state is not None:
            torch.cuda.set_rng_state(card_state)
            gc.collect()
            torch.cuda.empty_cache()
