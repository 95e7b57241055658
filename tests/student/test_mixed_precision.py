"""Matrix products of a real training have the precision of the settings.

test_distributed.py sees those of two processes.
"""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from trl import SFTConfig

from config.load import load_config
from config.training import CrossEntropy
from data.run_paths import RunPaths
from engine.models import load_tokenizer, resolve_model
from engine.token_sampler import GenerationSettings
from student.checkpoint import TRAINED
from student.collator import NO_TOKENS
from student.distiller import Distiller
from student.evaluate import Evaluation
from student.model import trainable
from student.trainer import AnswerTrainer, TrainingTask
from tests.student.product_types import product_types
from tests.student.run_factory import ROOT, experiment, small_vocabulary_model
from tests.student.tiny_model import ROWS, tiny

KINDS = ("lora", "dora", "ia3", "p_tuning", "prompt_tuning", "prefix_tuning", "full")
TWO_STEPS = ("students.0.epochs=1", "students.0.batch_size=12")


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def method(kind: str) -> str:
    """The override that chooses a method."""
    return f"students.0.method={{kind: {kind}}}"


@pytest.mark.parametrize(
    ("kind", "dtype"), [*((kind, "bfloat16") for kind in KINDS), ("lora", "float32")]
)
def test_products_in_one_process(tmp_path: Path, kind: str, dtype: str) -> None:
    """Forward, backward and evaluation, in nothing else than the precision of the settings."""
    path = experiment(tmp_path / "run", small_vocabulary_model(tmp_path / "model"))
    config = load_config(path, [*TWO_STEPS, method(kind), f"model.dtype={dtype}"])
    assert product_types(config) == {f"torch.{dtype}"}
    trained = load_file(RunPaths.of(config).student("s") / TRAINED)
    assert {weight.dtype for weight in trained.values()} == {torch.float32}


def test_a_scaled_loss_gives_the_same_step(tmp_path: Path) -> None:
    """In float16 accelerate scales the loss, on a GPU only; here its scaler on float32 products.

    A power of two changes no bit, and the optimiser divides it out again: equal weights, moved.
    """
    plain, scaled = fp16_trainer(tmp_path / "plain"), fp16_trainer(tmp_path / "scaled")
    start = trained_weights(plain)
    scaled.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    plain.train()
    scaled.train()
    assert torch.equal(trained_weights(plain), trained_weights(scaled))
    assert not torch.equal(trained_weights(plain), start)


def fp16_trainer(folder: Path) -> AnswerTrainer:
    """A trainer of the tiny model for three steps without clipping."""
    model, tokenizer = tiny(), load_tokenizer(resolve_model("embedded"))
    distiller = Distiller(model, CrossEntropy(), NO_TOKENS, GenerationSettings((0,), 1), 64)
    settings = SFTConfig(
        output_dir=str(folder),
        fp16=True,
        use_cpu=True,
        per_device_train_batch_size=1,
        num_train_epochs=1,
        max_grad_norm=0,
        save_strategy="no",
        report_to="none",
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=False,
    )
    task = TrainingTask(distiller, ROWS, [], batch_size=1)
    return AnswerTrainer(
        model, settings, task, tokenizer, lambda model: Evaluation(None, None, {}, {}, 0, [])
    )


def trained_weights(trainer: AnswerTrainer) -> torch.Tensor:
    """All trained parameters in one vector."""
    weights = trainable(trainer.model).values()
    return torch.cat([weight.detach().flatten() for weight in weights])
