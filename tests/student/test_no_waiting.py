"""A training step never waits for its device, and batches are collated ahead in their order."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import TrainerCallback

from config.training import CrossEntropy, Distillation, Objective
from student.collator import Batch, collate
from student.prefetch import device_batches, prefetched
from tests.student.tiny_model import ROWS
from tests.student.trainer_factory import learner, new_trainer

WAITING = {  # what reads a value, or a number of values, from the device
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.is_nonzero.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.equal.default,
    torch.ops.aten.masked_select.default,
}
OBJECTIVES: dict[str, Objective] = {
    "ce": CrossEntropy(),
    "kl": Distillation(),
    "adapter off": Distillation(teacher="adapter_off"),
    "adapter off, no ce": Distillation(teacher="adapter_off", ce_weight=0.0),
}


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations after which a program waits for a graphics card."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        if function in WAITING:
            self.operations.append(str(function))
        return function(*arguments, **(keywords or {}))


class WatchedSteps(TrainerCallback):  # type: ignore[misc]
    """The waits from the begin of each step until its optimiser has run."""

    def __init__(self) -> None:
        self.waits: list[list[str]] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._mode = Waits()
        self._mode.__enter__()  # type: ignore[no-untyped-call]

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        self._mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        self.waits.append(self._mode.operations)


@pytest.mark.parametrize(
    ("name", "tokens_per_pass"), [("adapter off", 4096), *((name, 1) for name in OBJECTIVES)]
)
def test_a_step_reads_nothing_from_the_device(
    tmp_path: Path, name: str, tokens_per_pass: int
) -> None:
    """Forward, backward, clipping and update, in one pass and in one for each row.

    Rows have several answers, so their pass has a mask. Without one transformers itself looks once
    for packed rows.
    """
    steps, rows = WatchedSteps(), [ROWS[0]] * 3
    trainer = new_trainer(tmp_path, learner(OBJECTIVES[name], tokens_per_pass), 3, rows=rows)
    passes = trainer.task.distiller.count_passes(rows)
    assert passes == (1 if tokens_per_pass > 1 else 3)
    trainer.add_callback(steps)
    trainer.train()
    assert steps.waits == [[]]


def test_the_count_can_count() -> None:
    """Each way to read a tensor is seen, also in an `if`."""
    for read in (torch.Tensor.item, float, bool, torch.Tensor.nonzero):
        with Waits() as mode:
            read(torch.ones(1))
        assert len(mode.operations) >= 1, read


def test_not_a_number_is_missing_and_does_not_stay(tmp_path: Path) -> None:
    """Of four steps the second has no loss; transformers would log 0, or no loss ever again."""
    trainer = new_trainer(tmp_path, learner(CrossEntropy(), 4096), batch_size=1, epochs=2)
    logged: list[float] = []
    losses, calls = trainer.task.distiller.losses, iter(range(99))

    def faulty(examples: Any) -> Iterator[torch.Tensor]:
        factor = float("nan") if next(calls) == 1 else 1.0
        return (loss * factor for loss in losses(examples))

    class Losses(TrainerCallback):  # type: ignore[misc]
        def on_log(self, *_: Any, logs: dict[str, Any], **__: Any) -> None:
            logged.extend([logs["loss"]] if "loss" in logs else [])

        def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
            for weight in trainer.model.parameters():
                if weight.grad is not None:
                    weight.grad.nan_to_num_(0)

    trainer.task.distiller.losses = faulty  # type: ignore[method-assign]
    trainer.add_callback(Losses())
    trainer.train()
    assert len(logged) == 6
    assert [step for step, loss in enumerate(logged) if loss != loss] == [1]


# -- collated ahead ------------------------------------------------------------------------------


def test_items_come_in_order_made_ahead_on_one_thread() -> None:
    """While an item is used the next one is made, and none further; the thread ends with them."""
    begun: list[int] = []
    threads: set[str] = set()
    second = threading.Event()

    def items() -> Iterator[int]:
        for item in range(4):
            begun.append(item)
            threads.add(threading.current_thread().name)
            if item == 1:
                second.set()
            yield item

    iterator = prefetched(items())
    assert next(iterator) == 0
    assert second.wait(5), "the second item is made while the first one is used"
    assert begun == [0, 1]
    assert list(iterator) == [1, 2, 3]
    assert len(threads) == 1 and threading.main_thread().name not in threads
    assert not any(thread.name in threads for thread in threading.enumerate())


def test_an_error_comes_where_its_item_would() -> None:
    """And the thread ends, also where the user stops early."""

    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the second row")

    iterator = prefetched(items())
    assert next(iterator) == 1
    with pytest.raises(ValueError, match="the second row"):
        next(iterator)
    stopped = prefetched(iter(range(9)))
    assert next(stopped) == 0
    stopped.close()  # type: ignore[attr-defined]
    assert not any(thread.name.startswith("collate") for thread in threading.enumerate())


def test_a_thread_changes_no_batch() -> None:
    """Batches of a pass each: the same tensors as collated in place, on a CPU with or without."""

    def groups() -> Iterator[tuple[Any, Any]]:
        return ((collate([row]), None if n else collate(ROWS)) for n, row in enumerate(ROWS))

    plain = list(device_batches(groups(), torch.device("cpu")))
    for group, ahead in zip(plain, prefetched(groups()), strict=True):
        for batch, other in zip(group, ahead, strict=True):
            assert (batch is None) == (other is None)
            for part, same in zip(batch or (), other or (), strict=True):
                assert torch.equal(part, same) if isinstance(part, torch.Tensor) else part == same


def test_a_card_gets_pinned_memory_without_waiting() -> None:
    """On CUDA each tensor is pinned on the thread, then copied with `non_blocking`."""
    calls: list[tuple[str, bool]] = []

    class Tensor(torch.Tensor):
        def pin_memory(self, *_: Any) -> torch.Tensor:
            calls.append(("pin", threading.current_thread() is threading.main_thread()))
            return self

        def to(self, *_: Any, non_blocking: bool = False, **__: Any) -> Any:
            calls.append(("copy", non_blocking))
            return self

    batch = collate(ROWS)
    parts = (p.as_subclass(Tensor) if isinstance(p, torch.Tensor) else p for p in batch)
    batch = Batch._make(parts)
    tensors = sum(isinstance(part, torch.Tensor) for part in batch)
    assert len(list(device_batches(iter([(batch, None)]), torch.device("cuda")))) == 1
    assert calls == [("pin", False)] * tensors + [("copy", True)] * tensors
