"""A linear layer with LoRA as one autograd function: less memory traffic than peft's arithmetic.

y = base(x) + s (x Aᵀ) Bᵀ for a frozen base, plain or in bitsandbytes' 4 bits. The low-rank products
are added in place to those of the base, in the forward and in the backward pass. peft multiplies,
scales and adds in tensors of their own, each as large as the layer's output.

The layers stay peft's: their parameters, files, merging and switches are untouched. Everything but
one plain adapter in training is left to peft's own forward pass.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from peft.tuners import lora
from torch import nn
from torch.autograd.function import once_differentiable
from torch.distributed.tensor import DTensor

from engine.models import TorchModel

FUSED_DEVICES = ("cuda",)  # on CPU a training step takes as long by peft's arithmetic


def fuse_lora(model: TorchModel, devices: Iterable[str] = FUSED_DEVICES) -> None:
    """Makes peft's LoRA layers of a model compute as one function, in place.

    `devices`: the types of device on which they do so.
    """
    for layer in model.modules():
        if type(layer) is lora.Linear or _is_4bit(layer, lora.LoraLayer):
            layer.__class__ = _fused_class(type(layer))  # type: ignore[arg-type]
        if isinstance(layer, FusedLora):
            layer.fused_devices = frozenset(devices)


def lora_linear(
    inputs: torch.Tensor, base: nn.Module, down: torch.Tensor, up: torch.Tensor, scale: float
) -> torch.Tensor:
    """base(x) + scale (x downᵀ) upᵀ, [..., out], in the type of the inputs or of autocast.

    inputs: [..., in]; base: frozen; down: [r, in]; up: [out, r]. Gradients have the types of the
    weights.
    """
    dtype, device = inputs.dtype, inputs.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    factors = down.to(dtype), (up * scale).to(dtype)
    outputs: torch.Tensor = _LoraLinear.apply(inputs.to(dtype), *factors, base)  # type: ignore[no-untyped-call]
    return outputs


class _LoraLinear(torch.autograd.Function):
    """base(x) + (x downᵀ) upᵀ."""

    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, down: torch.Tensor, up: torch.Tensor, base: nn.Module
    ) -> torch.Tensor:
        outputs: torch.Tensor = base(inputs)  # [..., out]
        narrow = _rows(inputs) @ down.t()  # [N, r]
        outputs.view(-1, outputs.shape[-1]).addmm_(narrow, up.t())  # a copy would be lost
        ctx.save_for_backward(inputs, narrow, down, up)
        ctx.base = base
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, narrow, down, up = ctx.saved_tensors
        rows = _rows(gradient)  # [N, out]
        narrow_gradient = rows @ up  # [N, r]
        of_inputs = of_down = of_up = None
        if ctx.needs_input_grad[0]:
            weight = _weight(ctx.base).to(rows.dtype)
            of_inputs = (rows @ weight).addmm_(narrow_gradient, down).view(inputs.shape)
        if ctx.needs_input_grad[1]:
            of_down = narrow_gradient.t() @ _rows(inputs)
        if ctx.needs_input_grad[2]:
            of_up = rows.t() @ narrow
        return of_inputs, of_down, of_up, None


def _weight(base: Any) -> torch.Tensor:
    """[out, in]."""
    if type(base) is nn.Linear:
        return base.weight
    from bitsandbytes.functional import dequantize_4bit

    weight: torch.Tensor = dequantize_4bit(base.weight, base.weight.quant_state)
    return weight


def _rows(tensor: torch.Tensor) -> torch.Tensor:
    """[..., width] → [N, width]."""
    return tensor.reshape(-1, tensor.shape[-1])


class FusedLora:
    """The forward pass of a fused layer, in front of that of its class of peft."""

    fused_devices: frozenset[str]

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Names as peft's, which passes some arguments by keyword."""
        layer: Any = self
        adapter = None if args or kwargs else self._fused_adapter(layer, x)
        if adapter is None:
            return super().forward(x, *args, **kwargs)  # type: ignore[misc,no-any-return]
        down, up = layer.lora_A[adapter].weight, layer.lora_B[adapter].weight
        return lora_linear(x, layer.base_layer, down, up, layer.scaling[adapter])

    def _fused_adapter(self, layer: Any, x: torch.Tensor) -> str | None:
        """The adapter, if a single plain one acts on a frozen base in training; or None."""
        names = [name for name in layer.active_adapters if name in layer.lora_A]
        if (
            len(names) != 1
            or layer.disable_adapters
            or layer.merged
            or not (layer.training or torch.is_grad_enabled())
        ):
            return None
        name, base, device = names[0], layer.base_layer, x.device
        if device.type not in self.fused_devices or not (
            type(base) is nn.Linear or _is_4bit(base, nn.Module)
        ):
            return None
        down, up = layer.lora_A[name], layer.lora_B[name]
        weight, bias, factor = base.weight, base.bias, down.weight
        plain = (
            name not in layer.lora_variant
            and type(layer.lora_dropout[name]) is nn.Identity
            and type(down) is type(up) is nn.Linear
            and up.bias is None
            and not weight.requires_grad
            and (bias is None or not bias.requires_grad)
            and weight.device == factor.device == device  # offloaded weights are elsewhere
            and not isinstance(weight, DTensor)
            and not isinstance(factor, DTensor)
        )
        return name if plain else None


def _is_4bit(layer: nn.Module, parent: type) -> bool:
    """Whether a layer is bitsandbytes' or peft's 4-bit one, told by its name.

    Neither class exists where bitsandbytes is not installed.
    """
    return type(layer).__name__ == "Linear4bit" and isinstance(layer, parent)


@cache
def _fused_class(peft_class: type) -> type:
    return type(f"Fused{peft_class.__name__}", (FusedLora, peft_class), {})
