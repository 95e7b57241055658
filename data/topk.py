"""The teacher's most likely tokens at each token of an answer."""

from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray


class TopK(NamedTuple):
    """By falling probability."""

    ids: NDArray[Any]  # [T, K] int32
    logprobs: NDArray[Any]  # [T, K] before temperature, in nats


def read_topk(path: Path) -> dict[str, TopK]:
    raise NotImplementedError
