"""Packed passes and compiled layers are tried before a training, and left out where they fail."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config.training import CrossEntropy, StudentSettings
from student.compiled_layers import decoder_layers
from student.fast_passes import compile_passes, pack_passes
from student.forward import causal_model
from student.trainer import AnswerTrainer
from tests.student.trainer_factory import learner, new_trainer

STUDENT = StudentSettings(name="s")


@pytest.fixture
def trainer(tmp_path: Path) -> AnswerTrainer:
    """On a CPU, where a packed pass has a dense mask."""
    return new_trainer(tmp_path, learner(CrossEntropy(), 64), batch_size=3)


def as_on_a_card(trainer: AnswerTrainer) -> Any:
    """The same trainer, said to be on a card."""
    arguments = SimpleNamespace(device=SimpleNamespace(type="cuda"))
    context = trainer.compute_loss_context_manager
    return SimpleNamespace(
        args=arguments,
        model=trainer.model,
        task=trainer.task,
        compute_loss_context_manager=context,
    )


def test_a_cpu_stays_padded(trainer: AnswerTrainer, capsys: pytest.CaptureFixture[str]) -> None:
    """Its numbers are those of before; nothing is tried or printed."""
    pack_passes(trainer, STUDENT)
    compile_passes(trainer, STUDENT)
    assert not trainer.task.distiller.packed
    assert all("forward" not in vars(layer) for layer in decoder_layers(_causal(trainer)))
    assert capsys.readouterr().out == ""


def test_a_card_packs(trainer: AnswerTrainer, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a word; no gradient of the trial remains, and the mode is as before."""
    trainer.model.eval()
    pack_passes(as_on_a_card(trainer), STUDENT)
    compile_passes(as_on_a_card(trainer), STUDENT)
    assert trainer.task.distiller.packed
    assert all("forward" in vars(layer) for layer in decoder_layers(_causal(trainer)))
    assert all(weight.grad is None for weight in trainer.model.parameters())
    assert not trainer.model.training
    assert capsys.readouterr().out == ""


def test_what_is_not_exact_stays_padded(
    trainer: AnswerTrainer, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says why."""
    _causal(trainer).config.attention_dropout = 0.5
    pack_passes(as_on_a_card(trainer), STUDENT)
    assert not trainer.task.distiller.packed
    expected = "s: passes are padded: a mask does not describe all that this model's layers see\n"
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("packing", [True, False])
def test_a_pass_that_fails_is_left_out(
    trainer: AnswerTrainer, packing: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """With gradients only, as a compiler's backward does: packing, or compiled layers."""

    def fail(layer: Any, _inputs: Any, output: Any) -> None:
        if output.requires_grad and layer.training:
            raise RuntimeError("no kernel\nat all")

    trainer.task.distiller.packed = not packing
    decoder_layers(_causal(trainer))[0].register_forward_hook(fail)
    if packing:
        pack_passes(as_on_a_card(trainer), STUDENT)
        assert not trainer.task.distiller.packed
    else:
        compile_passes(as_on_a_card(trainer), STUDENT)
        assert all("forward" not in vars(layer) for layer in decoder_layers(_causal(trainer)))
    line = "passes are padded" if packing else "layers are not compiled"
    assert capsys.readouterr().out == f"s: {line}: a pass fails (RuntimeError: no kernel)\n"


def _causal(trainer: AnswerTrainer) -> Any:
    return causal_model(trainer.model)
