"""The check of exactness: silent where a pass is the model's own, one line where it is not."""

from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from config.errors import ConfigError
from config.training import Distillation, StudentSettings
from student.exactness import check_exact, in_float32
from student.forward import causal_model
from tests.student.tiny_model import tiny

CE = StudentSettings(name="s")
ADAPTER_OFF = StudentSettings(name="s", objective=Distillation(teacher="adapter_off"))
each_objective = pytest.mark.parametrize("settings", [CE, ADAPTER_OFF], ids=["ce", "adapter_off"])


@each_objective
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_plain_model_is_exact(settings: StudentSettings, dtype: torch.dtype) -> None:
    """Also in bfloat16 and under autocast, where rounding alone makes 1e-2 nats: it is compared in
    float32, and every weight is as before."""
    model = tiny()
    base = [weight for weight in model.parameters() if not weight.requires_grad]
    for weight in base:
        weight.data = weight.data.to(dtype)
    before = [(weight.dtype, weight.data_ptr()) for weight in model.parameters()]
    model.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        check_exact(model, settings)
    assert model.training
    assert [(weight.dtype, weight.data_ptr()) for weight in model.parameters()] == before


def test_in_float32_a_model_computes_as_one_of_float32() -> None:
    """bfloat16 weights are exact in float32: the same logits, to the bit."""
    model = tiny().unload().bfloat16()
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad(), in_float32(model):
        computed = model(input_ids=ids).logits
    assert torch.equal(computed, model.float()(input_ids=ids).logits)


class BlindToMasks(LlamaForCausalLM):  # type: ignore[misc]
    """Stands for a model whose layers take no mask: every answer sees those before it."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model.register_forward_pre_hook(
            lambda _module, arguments, options: (arguments, {**options, "attention_mask": None}),
            with_kwargs=True,
        )


class WithoutPositions(BlindToMasks):
    """Stands for a model whose forward pass fails when it is run in our way."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model.register_forward_pre_hook(self._refuse, with_kwargs=True)

    @staticmethod
    def _refuse(_module: Any, _arguments: Any, options: Any) -> None:
        if options.get("position_ids") is not None:
            raise TypeError("unexpected keyword argument 'position_ids'")


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (BlindToMasks, r"log-probabilities of the student are 0\.\d+ nats from the model's own"),
        (WithoutPositions, r"a training pass fails \(TypeError: unexpected keyword argument"),
    ],
)
def test_a_difference_is_refused_in_one_line(kind: Any, line: str) -> None:
    """With the model, what differs by how much, and the way out."""
    model = tiny()
    causal = causal_model(model)
    other = kind(causal.config).eval()
    with pytest.raises(ConfigError, match=line) as refusal:
        check_exact(other, CE)
    assert "\n" not in str(refusal.value)
    assert "docs/models.md" in str(refusal.value)
