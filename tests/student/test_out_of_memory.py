"""A step out of memory is repeated with smaller passes, to the same result, and not for ever."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig

from config.errors import SetupError
from config.training import Checkpointing, CrossEntropy
from student.collator import Example
from student.memory_plan import LEVELS, PassPlan
from student.model import trainable
from student.trainer import AnswerTrainer
from tests.student.trainer_factory import learner, new_trainer

LARGE = 10_000
DROPOUT = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, lora_dropout=0.2)


class SmallCard:
    """A trainer whose passes run out of memory, after a backward pass, under a condition."""

    def __init__(
        self, trainer: AnswerTrainer, most_tokens: int = LARGE, least: Checkpointing = "off"
    ) -> None:
        self._trainer, self._most, self._least = trainer, most_tokens, LEVELS.index(least)
        self._losses = trainer.task.distiller.losses
        self.attempts = 0
        trainer.task.distiller.losses = self.losses  # type: ignore[method-assign]

    def losses(self, examples: Sequence[Example]) -> Iterator[torch.Tensor]:
        """The first pass of a step succeeds, so that its gradient must be undone."""
        self.attempts += 1
        plan = self._trainer.plan
        small = LEVELS.index(plan.checkpointing) >= self._least
        for number, loss in enumerate(self._losses(examples)):
            yield loss
            if not small or plan.tokens_per_pass > self._most:
                torch.rand(7)
                raise torch.OutOfMemoryError(f"CUDA out of memory in pass {number}")


def trainer_with(folder: Path, plan: PassPlan, adapter: Any = None) -> AnswerTrainer:
    """Three steps on three rows each."""
    distiller = learner(CrossEntropy(), plan.tokens_per_pass, adapter)
    trainer = new_trainer(folder, distiller, batch_size=3, epochs=3)
    trainer.set_plan(plan)
    return trainer


def weights_after(trainer: AnswerTrainer) -> torch.Tensor:
    """All trained weights behind a training, flat."""
    trainer.train()
    return torch.cat([weight.detach().flatten() for weight in trainable(trainer.model).values()])


def test_smaller_passes_give_the_same_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two halvings in the first step; the weights are those of small passes from the start."""
    trainer = trainer_with(tmp_path / "a", PassPlan("off", 16_384))
    card = SmallCard(trainer, most_tokens=4096)
    weights = weights_after(trainer)
    whole = weights_after(trainer_with(tmp_path / "b", PassPlan("off", 4096)))
    assert torch.equal(weights, whole)
    assert card.attempts == 3 + 2 and trainer.plan == PassPlan("off", 4096)
    lines = [line for line in capsys.readouterr().out.splitlines() if "out of memory" in line]
    assert lines == [
        "step 1: out of memory with checkpointing off, passes of 16,384 tokens; the step is "
        "repeated with checkpointing off, passes of 8,192 tokens",
        "step 1: out of memory with checkpointing off, passes of 8,192 tokens; the step is "
        "repeated with checkpointing off, passes of 4,096 tokens",
    ]


def test_recomputing_gives_the_same_weights_with_dropout(tmp_path: Path) -> None:
    """To the bit: the random numbers of the repeated step are those of the failed one."""
    plan = PassPlan("off", 14)  # the rows have 9, 2 and 5 tokens: two passes
    trainer = trainer_with(tmp_path / "a", plan, DROPOUT)
    card = SmallCard(trainer, least="full")
    weights = weights_after(trainer)
    assert trainer.plan.checkpointing == "full" and card.attempts == 3 + 2
    whole = weights_after(trainer_with(tmp_path / "b", plan, DROPOUT))
    plain = weights_after(trainer_with(tmp_path / "c", plan))
    assert torch.equal(weights, whole) and not torch.equal(whole, plain)


def test_it_ends_in_one_line_where_nothing_is_smaller(tmp_path: Path) -> None:
    """off, selective, full, then 14 → 9 tokens, which is the longest row: five attempts."""
    trainer = trainer_with(tmp_path, PassPlan("off", 14))
    card = SmallCard(trainer, most_tokens=0)
    with pytest.raises(
        SetupError, match="step 1: out of memory with checkpointing full, passes of 9"
    ):
        trainer.train()
    assert card.attempts == 4


def test_other_errors_are_not_repeated(tmp_path: Path) -> None:
    """A fault in a pass is raised at its first time."""
    trainer = trainer_with(tmp_path, PassPlan("off", 14))
    calls = []

    def faulty(examples: Any) -> Iterator[torch.Tensor]:
        calls.append(1)
        raise RuntimeError("a fault")

    trainer.task.distiller.losses = faulty  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="a fault"):
        trainer.train()
    assert calls == [1]
