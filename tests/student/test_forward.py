"""Mixed precision: under autocast an adapter's inputs are not copied to float32 and back."""

import pytest
import torch
from peft import LoraConfig

from student.collator import collate
from student.forward import causal_model, student_states
from tests.student.test_distiller import gradients
from tests.student.tiny_model import ROWS, row, tiny

SINGLE = [row(one.prompt_ids, one.answers[0]) for one in ROWS]


def mixed(dora: bool) -> torch.nn.Module:
    """The tiny model as a machine with bfloat16 has it: the base in it, the adapter in float32."""
    adapter = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, use_dora=dora)
    model: torch.nn.Module = tiny(adapter=adapter)
    for weights in model.parameters():
        if not weights.requires_grad:
            weights.data = weights.data.bfloat16()
    return model


def kept_of(model: torch.nn.Module, ours: bool) -> tuple[torch.Tensor, torch.Tensor, int]:
    """States [N, D] at the predicting places, gradients, and bytes kept for the backward pass."""
    batch = collate(SINGLE, torch.device("cpu"))
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    model.zero_grad()
    with (
        torch.autocast("cpu", torch.bfloat16),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        if ours:
            states = student_states(model, batch)
        else:
            hidden = causal_model(model).model(input_ids=batch.input_ids).last_hidden_state
            states = hidden.flatten(0, 1)[batch.logit_positions]
    torch.autograd.backward(states.float().square().sum())
    return states, gradients(model), sum(kept.values())


def test_the_states_are_pefts_with_less_kept() -> None:
    """Autocast rounds to bfloat16 what peft copied to float32: the same numbers. Gradients of a
    layer's input add up in bfloat16, 2⁻⁸ apart, where peft's adds in float32."""
    states, dtypes, ours = kept_of(mixed(dora=False), ours=True)
    expected, wanted, theirs = kept_of(mixed(dora=False), ours=False)
    assert torch.equal(states, expected)
    assert float((dtypes - wanted).norm() / wanted.norm()) < 2e-2
    assert ours < theirs


def test_dora_computes_its_norms_as_before() -> None:
    """It takes their type from its input: nothing may change at all."""
    states, dtypes, _ = kept_of(mixed(dora=True), ours=True)
    expected, wanted, _ = kept_of(mixed(dora=True), ours=False)
    assert torch.equal(states, expected) and torch.equal(dtypes, wanted)


@pytest.mark.parametrize("autocast", [False, True])
def test_checkpointing_computes_the_same_again(autocast: bool) -> None:
    """The second pass casts as peft does: it is made amid the backward pass."""
    batch = collate(SINGLE, torch.device("cpu"))
    dtypes = []
    for checkpointing in (False, True):
        model = mixed(dora=False) if autocast else tiny()
        if checkpointing:
            causal = causal_model(model)
            causal.gradient_checkpointing_enable({"use_reentrant": False})
            causal.enable_input_require_grads()
            causal.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            states = student_states(model, batch)
        torch.autograd.backward(states.float().square().sum())
        dtypes.append(gradients(model))
    assert float((dtypes[0] - dtypes[1]).norm() / dtypes[0].norm()) < (2e-2 if autocast else 1e-5)
