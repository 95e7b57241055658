"""Which layers of a model compute their activations again in the backward pass."""

from typing import Any

from peft import PeftModel, PrefixTuningConfig

from config.training import Checkpointing
from engine.models import TorchModel
from student.forward import causal_model
from student.memory_plan import LEVELS


def possible_levels(model: TorchModel) -> tuple[Checkpointing, ...]:
    """From fast to small. Recomputing drops the KV cache that prefix tuning trains."""
    method = model.active_peft_config if isinstance(model, PeftModel) else None
    possible: bool = causal_model(model).supports_gradient_checkpointing
    return LEVELS if possible and not isinstance(method, PrefixTuningConfig) else LEVELS[:1]


def set_checkpointing(model: TorchModel, level: Checkpointing) -> None:
    """Recomputes no layer, every other one or every one, from the next forward pass on."""
    causal: Any = causal_model(model)
    if level == "off":
        causal.gradient_checkpointing_disable()
        return
    causal.gradient_checkpointing_enable(
        {"use_reentrant": False}, every_n_layers=2 if level == "selective" else 1
    )
    causal.disable_input_require_grads()  # only reentrant checkpointing needs them
