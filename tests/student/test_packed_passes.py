"""Rows packed into one row of a fixed size compute what each of them computes alone.

The masks that a graphics card takes as blocks are dense here; all in float32, where sums in another
order differ by about 1e-6.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from config.training import CrossEntropy, OnPolicy
from engine.attention_support import supports_packed_rows
from engine.token_sampler import GenerationSettings
from student.collator import NO_TOKENS, Example, collate
from student.distiller import Distiller, retention_losses
from student.exactness import packing_fault
from student.forward import causal_model, student_states
from student.head import Head
from tests.student.architectures import ARCHITECTURES
from tests.student.test_distiller import (
    OBJECTIVES,
    assert_same,
    close,
    each_objective,
    gradients,
    loss_of,
    new_distiller,
)
from tests.student.test_exactness import ADAPTER_OFF, CE
from tests.student.tiny_model import ROWS, SYSTEM, row, tiny

FOUR = row((9, 8, 7, 6), (5, 2), (6, 7, 2), (8, 2), (9, 10, 11, 12, 2))
PACKABLE = ("Llama", "Qwen3", "Gemma 3", "Mistral, sliding window", "GPT-NeoX", "DeepSeek-V3")


def packed(distiller: Distiller) -> Distiller:
    """The same, with packed passes."""
    distiller.packed = True
    return distiller


@each_objective
@pytest.mark.parametrize("tokens_per_pass", [4096, 24])
def test_packing_changes_nothing(objective: Any, tokens_per_pass: int) -> None:
    """All rows in one packed pass, or in several, of student and base behind the cached prompt:
    losses and gradients are those of each row in a padded pass of its own."""
    rows = ROWS if objective.needs_teacher_pass or objective is OBJECTIVES["ce"] else [*ROWS, FOUR]
    assert_same(
        loss_of(packed(new_distiller(objective, tokens_per_pass)), rows),
        loss_of(new_distiller(objective, tokens_per_pass=1), rows),
    )


@pytest.mark.parametrize("name", PACKABLE)
def test_packed_rows_are_the_models_own(name: str) -> None:
    """Log-probabilities of `model(...)` on each answer alone, and their gradients, for rows with
    one and with four answers. Windows are shorter than the rows. Single gradients among large ones
    differ by the rounding of the large: their distance is measured against their norm."""
    base = ARCHITECTURES[name]()
    assert supports_packed_rows(base)
    adapter = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    model = get_peft_model(base, adapter).eval()
    sampling = GenerationSettings((2,), 5)
    distiller = Distiller(model, CrossEntropy(), NO_TOKENS, sampling, 64, packed=True)
    actual = loss_of(distiller, [*ROWS, FOUR])
    model.zero_grad()
    total = torch.zeros(())
    for example in [*ROWS, FOUR]:
        for answer in example.answers:
            ids = torch.tensor([[*example.prompt_ids, *answer]]).long()
            logits = model(input_ids=ids).logits[0, -len(answer) - 1 : -1]
            total = total + torch.nn.functional.cross_entropy(
                logits.float(), ids[0, -len(answer) :], reduction="sum"
            )
    torch.autograd.backward(total)
    expected = gradients(model)
    assert actual[0] == pytest.approx(float(total.detach()), rel=1e-5)
    assert float((actual[1] - expected).norm() / expected.norm()) < 1e-5


def test_padding_weighs_nothing_whatever_it_holds() -> None:
    """Other tokens in the padding, and more of it: the same states, to the order of sums."""
    model = tiny()
    expected = student_states(model, collate(ROWS, packed_width=24))
    wide = collate(ROWS, packed_width=40)
    wide.input_ids[wide.segments < 0] = 17
    assert close(student_states(model, wide), expected)
    assert not torch.equal(Head(causal_model(model))(expected), torch.zeros(()))


def test_retention_is_packed_too() -> None:
    """KL(base ‖ student) of packed passes = of padded ones."""
    model = tiny()
    sums = [
        sum(float(loss.detach()) for loss in retention_losses(model, ROWS, tokens, is_packed))
        for tokens, is_packed in ((4096, True), (20, True), (4096, False))
    ]
    assert sums[0] == pytest.approx(sums[2], rel=1e-5)
    assert sums[1] == pytest.approx(sums[2], rel=1e-5)


@pytest.mark.parametrize("rows", [ROWS, [FOUR], ROWS[1:2]])
def test_passes_are_counted(rows: list[Example]) -> None:
    """As FSDP's ranks need it: each rank packs its own rows."""
    distiller = packed(new_distiller(CrossEntropy(), 12))
    assert distiller.count_passes(rows) == len(list(distiller.losses(rows)))


def test_a_prompt_that_is_read_with_each_row_counts() -> None:
    """Windows cannot read a cached prompt, so the six tokens of the system prompt are in the pass:
    it has room for the tokens it says."""
    distiller = packed(new_distiller(OnPolicy(), 24))
    cached = distiller.pass_length(ROWS[1])
    causal_model(distiller.model).config.sliding_window = 4
    assert distiller.pass_length(ROWS[1]) == cached + len(SYSTEM)


@pytest.mark.parametrize("settings", [CE, ADAPTER_OFF], ids=["ce", "adapter_off"])
def test_the_check_passes_an_exact_model(settings: Any) -> None:
    """Also with a base that reads the cached prompt."""
    assert packing_fault(tiny(), settings) is None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda config: setattr(config, "attention_dropout", 0.1), "a mask does not describe"),
        (lambda config: setattr(config, "attn_logit_softcapping", 2.0), "a mask does not describe"),
        (lambda config: setattr(config, "sliding_window", "x"), "a packed pass fails (TypeError"),
    ],
)
def test_what_is_not_exact_is_not_packed(spoil: Callable[[Any], None], words: str) -> None:
    """The reason is one line; the padded pass remains."""
    model = tiny()
    spoil(causal_model(model).config)
    fault = packing_fault(model, CE)
    assert fault is not None and words in fault and "\n" not in fault


def test_a_model_blind_to_masks_is_noticed() -> None:
    """Its packed answers see those before them."""
    model = tiny()
    causal_model(model).model.register_forward_pre_hook(
        lambda _module, arguments, options: (arguments, {**options, "attention_mask": None}),
        with_kwargs=True,
    )
    fault = packing_fault(model, CE)
    assert fault is not None and "nats from the model's own" in fault
