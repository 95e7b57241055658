"""Decoder layers compiled for packed passes, whose shapes are few and fixed.

All layers of one kind share their code. A layer runs it only for the mask of a packed pass:
generation, whose shapes change with each token, stays as it is. Names of weights stay as they are.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask
from transformers.modeling_layers import GradientCheckpointingLayer

from engine.packed_attention import allow_variants


def is_block_mask(mask: Any) -> bool:
    """Whether a layer's argument is the mask of a packed pass on a graphics card."""
    return isinstance(mask, BlockMask)


def compile_layers(
    causal: Any, is_packed: Callable[[Any], bool] = is_block_mask, backend: str = "inductor"
) -> None:
    """Compiles the forward of every decoder layer, once for each kind, when it is first needed.

    `is_packed` finds the mask among a layer's arguments. Layers of experts choose their shapes by
    content and are left out.
    """
    allow_variants()
    compiled: dict[type, Any] = {}
    for layer in decoder_layers(causal):
        if any("expert" in name for name, _ in layer.named_modules()):
            continue
        kind = type(layer)
        if kind not in compiled:
            compiled[kind] = torch.compile(kind.forward, dynamic=False, backend=backend)
        layer.forward = partial(_forward, layer, compiled[kind], is_packed)


def uncompile_layers(causal: Any) -> None:
    """Every layer runs as transformers wrote it."""
    for layer in decoder_layers(causal):
        layer.__dict__.pop("forward", None)


def decoder_layers(causal: Any) -> list[Any]:
    """The layers of the text decoder."""
    modules = causal.get_decoder().modules()
    return [module for module in modules if isinstance(module, GradientCheckpointingLayer)]


def _forward(
    layer: Any,
    compiled: Callable[..., Any],
    is_packed: Callable[[Any], bool],
    *arguments: Any,
    **options: Any,
) -> Any:
    packed = any(map(is_packed, (*arguments, *options.values())))
    forward = compiled if packed else type(layer).forward
    return forward(layer, *arguments, **options)
