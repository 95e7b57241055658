"""The peak of live tensor bytes on a CPU, which has no counter of its own as CUDA has."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds the bytes of every storage that an operation makes, until it is freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        inputs = [leaf for leaf in tree_leaves((arguments, keywords)) if _is_plain(leaf)]
        old = {leaf.untyped_storage()._cdata for leaf in inputs}
        result = function(*arguments, **(keywords or {}))
        for leaf in filter(_is_plain, tree_leaves(result)):
            storage = leaf.untyped_storage()
            if storage._cdata in old or storage._cdata in self._known:
                continue
            self._known.add(storage._cdata)
            self.live += storage.nbytes()
            weakref.finalize(storage, self._free, storage._cdata, storage.nbytes())
        self.peak = max(self.peak, self.live)
        return result

    def _free(self, address: int, size: int) -> None:
        self._known.discard(address)
        self.live -= size


def _is_plain(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.layout == torch.strided


def live_bytes(run: Callable[[], object]) -> int:
    """The most bytes that tensors made in `run` take at one time, results included.

    Not counted is what an operation makes and frees within itself.
    """
    mode = _LiveBytes()
    with mode:
        run()
    return mode.peak
