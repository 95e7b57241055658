"""The dry step on a CPU: its bytes predict larger passes, and it leaves nothing behind."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PrefixTuningConfig, PromptTuningConfig

from config.errors import SetupError
from config.peft_methods import LoraMethod
from config.training import CrossEntropy, Distillation, OnPolicy, StudentSettings
from engine.embedded import embedded_model
from engine.token_sampler import GenerationSettings
from student.checkpointing import possible_levels, set_checkpointing
from student.collator import NO_TOKENS, Example
from student.distiller import Distiller
from student.dry_step import DryRows, longest_row, measure_passes, optimiser_bytes
from student.memory_fit import fit_to_memory, measured_plan
from student.memory_plan import LEVELS, LOSS_BYTES, PassPlan
from student.model import load_student, trainable
from tests.student.live_bytes import live_bytes
from tests.student.tiny_model import ROWS, SYSTEM, row, tiny
from tests.student.trainer_factory import learner, new_trainer

PREFIX = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
PROMPT = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
LENGTH = 12  # tokens of a row of the embedded model's passes


@pytest.fixture(scope="module")
def embedded() -> Distiller:
    """The embedded model with LoRA r 4, in float32."""
    model = load_student(str(embedded_model()), LoraMethod(rank=4), seed=0, dtype="float32")
    sampling = GenerationSettings((0,), 1)
    return Distiller(model, CrossEntropy(), NO_TOKENS, sampling, 8192)


def rows_of(tokens: int) -> DryRows:
    """A row with an answer of four tokens; the smaller pass has so many tokens."""
    ids = np.arange(100, 100 + LENGTH, dtype=np.int32)
    row = Example(ids[:-3], (np.arange(4, dtype=np.int32),))
    return DryRows(row, LENGTH, LENGTH, least=tokens)


def test_two_small_passes_predict_a_larger_one(embedded: Distiller) -> None:
    """On the real model: measured at 12 and 24 tokens, a pass of 48 takes what the line says."""
    use = measure_passes(embedded, rows_of(LENGTH), LEVELS, live_bytes, nullcontext)
    off, selective, full = (use.per_token[level] for level in LEVELS)
    assert off > 1.5 * selective > 2.5 * full > 0
    embedded.model.train()
    embedded.tokens_per_pass = 4 * LENGTH

    def run() -> None:
        for loss in embedded.losses([rows_of(LENGTH).row] * 4):
            torch.autograd.backward(loss)
        embedded.model.zero_grad()

    for level in ("off", "selective"):  # selective is not measured, but taken as half of both
        set_checkpointing(embedded.model, level)
        predicted = use.fixed + 4 * LENGTH * use.per_token[level]
        assert live_bytes(run) == pytest.approx(predicted, rel=0.1), level
    set_checkpointing(embedded.model, "off")


def test_nothing_is_left_behind() -> None:
    """Random numbers, gradients, mode, tokens per pass and checkpointing are as before."""
    distiller = learner(Distillation(teacher="adapter_off"), tokens_per_pass=77)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    rows = longest_row(distiller, ROWS, least=8)
    measure_passes(distiller, rows, LEVELS, live_bytes, nullcontext)
    assert torch.equal(torch.rand(3), expected)
    assert all(weight.grad is None for weight in distiller.model.parameters())
    assert not distiller.model.training and distiller.tokens_per_pass == 77
    assert not distiller.model.get_base_model().is_gradient_checkpointing


def test_the_longest_row_counts_its_teacher_and_its_longest_answer() -> None:
    """ROWS[0] has three answers: 9 positions; on policy one answer of up to five tokens."""
    assert longest_row(learner(CrossEntropy(), 4096), ROWS).length == 9
    on_policy = longest_row(learner(OnPolicy(), 4096), ROWS)
    assert on_policy.row.prompt_ids.tolist() == [3, 4, 5, 6, 7] and on_policy.length == 9
    assert len(on_policy.row.answers[0]) == 5
    assert DryRows(ROWS[0], 9, 9, 2048).passes() == (228, 456)  # 228 · 9 = 2,052


def test_a_long_row_is_measured_without_the_start_of_its_question() -> None:
    """So that a pass of two of them fits where one does; the teacher keeps what all rows share."""
    distiller = learner(Distillation(teacher="adapter_off"), 4096)
    long = row(range(3, 43), (5, 2))  # 41 positions, of which 20 are too many
    dry = longest_row(distiller, [*ROWS, long], least=21)
    assert (dry.length, dry.longest) == (21, 41)
    assert dry.row.prompt_ids.tolist() == list(range(23, 43))
    assert dry.row.teacher_prompt_ids.tolist() == [*SYSTEM, *range(23, 43)]
    assert longest_row(distiller, [long], least=1).row.prompt_ids.tolist() == [42]


def test_a_level_without_room_is_left_out() -> None:
    """Out of memory in the dry step without recomputing: half of the layers is measured instead."""
    distiller = learner(CrossEntropy(), 4096)
    layers = distiller.model.get_base_model().model.layers

    def small_card(run: Callable[[], None]) -> int:
        if not any(layer.gradient_checkpointing for layer in layers):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return live_bytes(run)

    rows = longest_row(distiller, ROWS, least=8)
    use = measure_passes(distiller, rows, LEVELS, small_card, nullcontext)
    assert use.per_token.keys() == {"full", "selective"}
    # equal: the one of two layers that is kept, or the one that is computed again at a time
    assert use.per_token["selective"] >= use.per_token["full"] > 0
    with pytest.raises(torch.OutOfMemoryError, match="a pass of 16 tokens"):
        measure_passes(distiller, rows, ("off",), small_card, nullcontext)


def test_what_fits_nowhere_is_one_line(tmp_path: Path) -> None:
    """The student, the size of the pass, the ways out; so is a level that a model cannot have."""
    trainer = new_trainer(tmp_path, learner(CrossEntropy(), 8192), batch_size=3)

    def no_memory(run: object) -> int:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(SetupError, match=r"student s: a pass of 4,104 tokens does not fit .* full"):
        measured_plan(trainer, student(), LEVELS, None, no_memory, lambda: 0.0)
    trainer.levels = ("off",)
    with pytest.raises(SetupError, match=r"checkpointing = full: .* set checkpointing: off"):
        fit_to_memory(trainer, student(checkpointing="full"))


def test_what_a_step_adds_later() -> None:
    """A gradient and two moments in float32 for each trained weight, and its average."""
    model = tiny()
    trained = sum(weight.numel() for weight in trainable(model).values())
    assert optimiser_bytes(model, averaging=False) == 12 * trained
    assert optimiser_bytes(model, averaging=True) == 16 * trained


def test_levels_by_model() -> None:
    """Recomputing would drop the keys and values that prefix tuning trains."""
    assert possible_levels(tiny()) == LEVELS == possible_levels(tiny().get_base_model())
    assert possible_levels(tiny(adapter=PREFIX)) == ("off",)
    assert possible_levels(tiny(adapter=PROMPT)) == LEVELS


def student(**settings: object) -> StudentSettings:
    """A student with these settings."""
    return StudentSettings.model_validate({"name": "s", "batch_size": 3, **settings})


def test_the_plan_of_a_training(tmp_path: Path) -> None:
    """Of the trainer's own passes by a meter that counts, with the optimiser and the loss added."""
    trainer = new_trainer(tmp_path, learner(CrossEntropy(), 8192), batch_size=3)
    plan, reason = measured_plan(
        trainer, student(), LEVELS, None, live_bytes, lambda: 2.0 * LOSS_BYTES
    )
    # the step has 16 tokens: one pass, in whole 256, and all of it fits without recomputing
    assert plan == PassPlan("off", 256)
    assert "MB a token and 1.6 GB beside them, 3.2 GB of the card are free" in reason
    plan, reason = measured_plan(trainer, student(), LEVELS, None, live_bytes, lambda: 1e9)
    assert not plan.fits and reason.endswith("which may be too little")


@pytest.mark.parametrize(
    ("settings", "plan"),
    [
        ({}, PassPlan("off", 8192)),
        ({"tokens_per_pass": 512}, PassPlan("off", 512)),
        ({"checkpointing": "selective"}, PassPlan("selective", 8192)),
        ({"checkpointing": "full", "tokens_per_pass": 64}, PassPlan("full", 64)),
    ],
)
def test_a_cpu_measures_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, object],
    plan: PassPlan,
) -> None:
    """As it always was: 8,192 tokens and nothing recomputed, unless the settings say otherwise."""
    trainer = new_trainer(tmp_path, learner(CrossEntropy(), 99), batch_size=3)
    capsys.readouterr()
    fit_to_memory(trainer, student(**settings))
    assert trainer.plan == plan and trainer.task.distiller.tokens_per_pass == plan.tokens_per_pass
    assert trainer.model.get_base_model().is_gradient_checkpointing == (plan.checkpointing != "off")
    assert capsys.readouterr().out == ""
