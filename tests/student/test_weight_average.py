"""The average of the weights: its definition, and what a training evaluates, saves and serves."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from config.load import load_config
from data.run_paths import RunPaths
from student.checkpoint import AVERAGED, TRAINED
from student.checkpoint_store import step_of
from student.model import trainable
from student.records import Step
from student.train import train
from student.weight_average import WeightAverage
from tests.student.run_factory import ROOT, experiment, small_vocabulary_model
from tests.student.tiny_model import tiny

Weights = dict[str, torch.Tensor]


def exact_average(steps: list[Weights], half_life: float) -> Weights:
    """Σ 2^(−age / half-life) · weights, divided by the sum of the factors, in float64."""
    factors = [0.5 ** ((len(steps) - 1 - n) / half_life) for n in range(len(steps))]
    return {
        name: torch.stack([f * step[name].double() for f, step in zip(factors, steps, strict=True)])
        .sum(0)
        .div(sum(factors))
        for name in steps[0]
    }


def weights_of(model: Any) -> Weights:
    """A copy of the trained weights."""
    return {name: weight.detach().clone() for name, weight in trainable(model).items()}


def equal(first: Weights, second: Weights) -> bool:
    """To the bit."""
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


def random_step(model: Any, average: WeightAverage, step: int) -> Weights:
    """New weights, taken in as those of a step of 40."""
    for weight in trainable(model).values():
        torch.nn.init.normal_(weight)
    average.on_step_end(None, SimpleNamespace(global_step=step, max_steps=40), None)
    return weights_of(model)


def test_a_step_weighs_half_of_one_a_half_life_later() -> None:
    """0.1 of 40 steps are 4: after each of 12 steps the exact mean. The weights that the model
    began with, before any step, count for nothing."""
    torch.manual_seed(0)
    model = tiny()
    average = WeightAverage(model, 0.1)
    steps: list[Weights] = []
    for step in range(1, 13):
        steps.append(random_step(model, average, step))
        exact = exact_average(steps, 4.0)
        with average.in_place():
            computed = weights_of(model)
        assert all(torch.allclose(computed[n].double(), exact[n], atol=1e-6) for n in exact)
    assert equal(weights_of(model), steps[-1]), "training goes on from the weights themselves"


def test_the_weights_come_back_after_an_error() -> None:
    """An evaluation that is interrupted leaves no average in the model."""
    model = tiny()
    average = WeightAverage(model, 0.1)
    random_step(model, average, 1)
    last = random_step(model, average, 2)
    with pytest.raises(KeyboardInterrupt), average.in_place():
        assert not equal(weights_of(model), last)
        raise KeyboardInterrupt
    assert equal(weights_of(model), last)


def test_a_saved_average_goes_on_to_the_bit(tmp_path: Path) -> None:
    """Saved after two steps and loaded into another model: the third step gives the same."""
    torch.manual_seed(0)
    model, other = tiny(), tiny(seed=1)
    average, resumed = WeightAverage(model, 0.1), WeightAverage(other, 0.1)
    for step in (1, 2):
        random_step(model, average, step)
    average.save(tmp_path)
    resumed.load(tmp_path)
    for its_model, its_average in ((model, average), (other, resumed)):
        torch.manual_seed(3)
        random_step(its_model, its_average, 3)
    with average.in_place(), resumed.in_place():
        assert equal(weights_of(model), weights_of(other))


def test_what_a_training_evaluates_and_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epochs of one step, with a checkpoint each, trained with an average and without: the weights
    themselves are the same, each average is the exact mean of those so far, and the last average is
    what the result holds. Val loss is that of the averages: the step that overshoots shows in the
    plain losses alone, and at the end the average lags behind."""
    monkeypatch.chdir(ROOT)
    model = small_vocabulary_model(tmp_path / "model")
    averaging = Watched(tmp_path / "averaging", model, "students.0.averaging=0.25")
    plain = Watched(tmp_path / "plain", model)
    assert averaging.best_step == plain.best_step == 8
    steps = [*(averaging.trained[n] for n in range(1, 8)), plain.served]
    assert all(equal(averaging.trained[n], plain.trained[n]) for n in range(1, 8))
    averages = [*(averaging.averaged[n] for n in range(1, 8)), averaging.served]
    for count, average in enumerate(averages, 1):
        exact = exact_average(steps[:count], half_life=2.0)
        assert all(torch.allclose(average[n].double(), exact[n], atol=1e-6) for n in exact)
    assert averaging.val_losses[0] == plain.val_losses[0], "of one step the average is its weights"
    assert averaging.val_losses == sorted(averaging.val_losses, reverse=True)
    assert plain.val_losses != sorted(plain.val_losses, reverse=True)
    assert averaging.val_losses[-1] > plain.val_losses[-1]


class Watched:
    """A training of eight epochs of one step, and what it had on disk."""

    def __init__(self, folder: Path, model: Path, *changes: str) -> None:
        """The last checkpoint is gone before it is seen; `served` is what the result holds."""
        steps = ("students.0.batch_size=24", "students.0.epochs=8", "model.dtype=float32")
        config = load_config(experiment(folder, model), [*steps, *changes])
        self._run = RunPaths.of(config).student("s")
        self.trained: dict[int, Weights] = {}
        self.averaged: dict[int, Weights] = {}
        self.val_losses: list[float] = []
        result = train(config, config.students[0], False, [self._collect])
        self.best_step, self.served = result.best_step, load_file(self._run / TRAINED)

    def _collect(self, step: Step) -> None:
        for path in (self._run / "checkpoints").glob(f"checkpoint-*/{TRAINED}"):
            number = step_of(path.parent)
            self.trained[number] = load_file(path)
            if path.with_name(AVERAGED).exists():
                self.averaged[number] = load_file(path.with_name(AVERAGED))
        if step.val_loss is not None:
            self.val_losses.append(step.val_loss)
