"""On a graphics card: a step that never waits, and a dry step that predicts a larger pass."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from config.training import CrossEntropy, Distillation, Objective, StudentSettings
from student.dry_step import cuda_peak, longest_row, measure_passes
from student.memory_fit import fit_to_memory
from student.memory_plan import LEVELS
from tests.student.tiny_model import ROWS
from tests.student.trainer_factory import learner, new_trainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


class ErrorsOnWaiting(TrainerCallback):  # type: ignore[misc]
    """Has torch raise where a step waits for the card, until its optimiser has run."""

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        torch.cuda.set_sync_debug_mode("error")

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(
    "objective", [CrossEntropy(), Distillation(), Distillation(teacher="adapter_off")]
)
def test_a_step_never_waits(tmp_path: Path, objective: Objective) -> None:
    """The first step may: kernels are loaded, and the prompt's cache is computed."""
    rows = [ROWS[0]] * 3
    trainer = new_trainer(tmp_path, learner(objective, 1), 3, rows=rows, use_cpu=False)
    trainer.train()
    trainer.add_callback(ErrorsOnWaiting())
    try:
        trainer.train()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_dry_step_predicts_a_larger_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four times the tokens of the larger pass: to a quarter, as blocks of 2 MiB count."""
    distiller = learner(CrossEntropy(), 8192)
    trainer = new_trainer(tmp_path, distiller, batch_size=3, use_cpu=False)
    dry = longest_row(distiller, ROWS)
    use = measure_passes(distiller, dry, LEVELS, cuda_peak, trainer.compute_loss_context_manager)
    count = 4 * dry.passes()[1]
    distiller.tokens_per_pass = count * dry.length

    def run() -> None:
        for loss in distiller.losses([dry.row] * count):
            torch.autograd.backward(loss)

    predicted = use.fixed + count * dry.length * use.per_token["off"]
    assert cuda_peak(run) == pytest.approx(predicted, rel=0.25)
    student = StudentSettings.model_validate({"name": "s", "batch_size": 3})
    fit_to_memory(trainer, student)
    assert trainer.plan.checkpointing == "off" and trainer.plan.tokens_per_pass == 256
    assert "s: checkpointing off, passes of 256 tokens: measured" in capsys.readouterr().out
