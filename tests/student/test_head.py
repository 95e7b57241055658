"""The head of a student is the model's own: all that it does to logits, in value and gradient."""

from typing import Any

import pytest
import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode

from config.errors import ConfigError
from student.collator import collate
from student.forward import student_states
from student.head import Head, unchanged_weights
from student.losses import cross_entropy, summed_loss
from tests.student.tiny_model import ROWS, WORDS, row, tiny

SHAPE = {"hidden_size": 32, "intermediate_size": 64, "vocab_size": WORDS, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
SINGLE = [row(example.prompt_ids, example.answers[0]) for example in ROWS]


def tied_and_capped() -> Any:
    """Gemma 2: its head is its embedding, its logits are capped."""
    settings = transformers.Gemma2Config(**SHAPE, **HEADS, head_dim=8, final_logit_softcapping=3.0)
    return transformers.Gemma2ForCausalLM(settings)


def with_a_bias() -> Any:
    """Phi: the head adds a bias to every word."""
    settings = transformers.PhiConfig(**SHAPE, num_attention_heads=4)
    model = transformers.PhiForCausalLM(settings)
    torch.nn.init.normal_(model.lm_head.bias)
    return model


@pytest.mark.parametrize("new_model", [tied_and_capped, with_a_bias])
def test_full_fine_tuning_has_the_models_own_gradients(new_model: Any) -> None:
    """Loss and every gradient = those of the model's own forward, row by row, in one backward."""
    torch.manual_seed(0)
    model = new_model().eval()
    batch = collate(SINGLE)
    loss = summed_loss(
        student_states(model, batch),
        Head(model),
        lambda logits, part: cross_entropy(logits, batch.targets[part]),
        chunk=2,
    )
    weights = [*model.get_output_embeddings().parameters(), *model.parameters()]
    computed = torch.autograd.grad(loss, weights)
    total = torch.zeros(())
    for example in SINGLE:
        answer = torch.tensor(example.answers[0]).long()
        ids = torch.cat([torch.tensor(example.prompt_ids).long(), answer])
        logits = model(input_ids=ids[None]).logits[0, -len(answer) - 1 : -1]
        total = total + cross_entropy(logits, answer).sum()
    expected = torch.autograd.grad(total, weights)
    assert float(loss.detach()) == pytest.approx(float(total.detach()), rel=1e-6)
    for ours, own in zip(computed, expected, strict=True):
        assert torch.allclose(ours, own, rtol=1e-4, atol=1e-5)  # float32 sums in another order
    assert expected[0].abs().max() > 1e-3, "of the head's weight"


class Casts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the copies in another type of tensors of one shape."""

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.shape = shape
        self.count = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), keywords: Any = None
    ) -> Any:
        copied = function is torch.ops.aten._to_copy.default
        if copied and arguments[0].shape == self.shape and (keywords or {}).get("dtype"):
            self.count += 1
        return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize("trained", [False, True])
def test_mixed_precision_casts_the_head_once(trained: bool) -> None:
    """Not once for every chunk: each copy of a trained head would stay in autocast's cache."""
    causal = tiny().unload().requires_grad_(trained)
    hidden = torch.randn(20, 32, requires_grad=True)
    targets = torch.arange(20)
    with torch.autocast("cpu", torch.bfloat16), Casts(causal.lm_head.weight.shape) as casts:
        head = Head(causal)
        loss = summed_loss(
            hidden, head, lambda logits, part: cross_entropy(logits, targets[part]), chunk=1
        )
    assert casts.count == 1
    with torch.autocast("cpu", torch.bfloat16):
        expected = cross_entropy(causal.lm_head(hidden), targets).sum()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)


def test_the_passes_of_a_step_cast_the_head_once() -> None:
    """While the weights stay as they are; outside, each pass sees what an optimiser changed."""
    causal = tiny().unload().requires_grad_(True)
    states = torch.randn(3, 32)
    with torch.autocast("cpu", torch.bfloat16), Casts(causal.lm_head.weight.shape) as casts:
        with unchanged_weights():
            first, second = Head(causal), Head(causal)
            assert casts.count == 1 and torch.equal(first(states), second(states))
            grads = [
                torch.autograd.grad(head(states).sum(), head.leaves[0]) for head in (first, second)
            ]
            assert torch.equal(grads[0][0], grads[1][0])
        with torch.no_grad():
            causal.lm_head.weight.mul_(2)
        assert torch.equal(Head(causal)(states), 2 * first(states)) and casts.count == 2


def test_a_model_without_a_decoder_is_refused() -> None:
    """In one line that names it, not by an AttributeError of some attribute."""
    with pytest.raises(ConfigError, match="LlamaModel has no decoder apart from its head"):
        Head(tiny().unload().model)
