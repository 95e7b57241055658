"""The last step of a model: from hidden states to logits, by the model's own forward pass.

Models scale, cap and shift their logits, each in its own code (Gemma 2, Granite, Cohere, Phi). So
that code runs, with its decoder replaced by one that returns given hidden states.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from config.errors import ConfigError
from engine.models import TorchModel

# weight and its cast by `id`, while the weights stay as they are
_CASTS: ContextVar[dict[int, tuple[torch.Tensor, torch.Tensor]] | None] = ContextVar(
    "casts", default=None
)


@contextmanager
def unchanged_weights() -> Iterator[None]:
    """Heads made inside cast a weight once between them: no step of the optimiser is inside."""
    token = _CASTS.set({})
    try:
        yield
    finally:
        _CASTS.reset(token)


class Head:
    """What one model computes behind its decoder. Stands for one pass: FSDP shards weights again.

    Under autocast each weight is cast here; autocast itself would cast it for every chunk.
    """

    def __init__(self, causal: TorchModel) -> None:
        """`causal`: the transformers model. Raises ConfigError where it has no decoder of its own.

        Gradients of trained weights are those of `leaves`, in the order of `weights`.
        """
        decoder = causal.base_model
        if decoder is causal:
            raise ConfigError(
                f"model.name = {causal.name_or_path}: {type(causal).__name__} has no decoder apart "
                "from its head; use a model that transformers loads for causal language modelling"
            )
        modules = {
            name: module for name, module in causal.named_children() if module is not decoder
        }
        own = {id(w): w for module in modules.values() for w in module.parameters()}
        self.weights = tuple(own.values())
        self.leaves = tuple(_leaf(weight) for weight in self.weights)
        self.vocabulary: int = causal.config.get_text_config().vocab_size  # V
        self._decoder = _Hidden(decoder)
        replaced: dict[int, Any] = dict(zip(own, self.leaves, strict=True))
        replaced[id(decoder)] = self._decoder
        self._causal = _copy(causal, replaced)

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Logits [n, V] of hidden states [n, D]."""
        self._decoder.states = states[None]
        logits: torch.Tensor = self._causal().logits[0]
        return logits


def _leaf(weight: torch.Tensor) -> torch.Tensor:
    """The weight as the head multiplies by it; gradients stop there."""
    device = weight.device.type
    leaf = weight.detach()
    if torch.is_autocast_enabled(device) and weight.is_floating_point():
        leaf = _cast_once(weight, torch.get_autocast_dtype(device))
    return leaf.requires_grad_(weight.requires_grad and torch.is_grad_enabled())


def _cast_once(weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    casts = _CASTS.get()
    if casts is None or weight.dtype == dtype:
        return weight.detach().to(dtype)
    if id(weight) not in casts:
        casts[id(weight)] = weight, weight.detach().to(dtype)
    return casts[id(weight)][1].detach()  # a leaf of its own, with its own gradient


class _Hidden(torch.nn.Module):
    """Stands for a decoder: returns hidden states [1, n, D] whatever it is called with."""

    states: torch.Tensor

    def __init__(self, decoder: torch.nn.Module) -> None:
        super().__init__()
        self._decoder = (decoder,)  # no submodule

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder[0], name)  # scales of the logits may stand there

    def forward(self, *arguments: Any, **keywords: Any) -> "_DecoderOutput":
        return _DecoderOutput((self.states,))


class _DecoderOutput(tuple[torch.Tensor]):
    """Hidden states by index and by name; nothing else that a decoder returns."""

    @property
    def last_hidden_state(self) -> torch.Tensor:
        return self[0]

    def __getattr__(self, name: str) -> None:
        return None


def _copy(module: torch.nn.Module, replaced: Mapping[int, Any]) -> Any:
    """The module with other parameters and submodules, by `id`, and without hooks.

    Hooks of FSDP and a `forward` wrapped by accelerate belong to passes of the whole model.
    """
    copy: Any = object.__new__(type(module))
    copy.__dict__ = {
        **module.__dict__,
        "_forward_hooks": {},
        "_forward_pre_hooks": {},
        "_parameters": {
            name: replaced.get(id(weight), weight) for name, weight in module._parameters.items()
        },
        "_modules": {
            name: replaced[id(child)] if id(child) in replaced else _copy(child, replaced)
            for name, child in module._modules.items()
            if child is not None
        },
    }
    copy.__dict__.pop("forward", None)
    return copy
