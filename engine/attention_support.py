"""Which rows the attention of a model can read exactly, decided by its config and its code.

Several answers to one prompt in one row need a mask that every layer respects, and position ids.
A shared prompt's keys and values need layers that attend to all earlier positions and nothing else.
"""

import inspect
from typing import Any

from engine.layer_types import layer_types

_MASKED = {"full_attention", "sliding_attention"}  # types of layers that a mask describes wholly
_ATTENTION_DROPOUTS = ("attention_dropout", "attn_pdrop", "attn_dropout")


def supports_shared_prompt(causal: Any) -> bool:
    """Whether a row can hold several answers to its prompt, each blind to the others.

    Not with layers that carry a state along the row (linear attention, convolutions), with
    attention in chunks, or with attention of the model's own making, which may count row positions.
    """
    decoder = causal.get_decoder()
    return (
        causal._supports_attention_backend
        and not causal._is_stateful
        and decoder.config._attn_implementation in ("sdpa", "eager")
        and layer_types(decoder.config) <= _MASKED
        and "position_ids" in inspect.signature(decoder.forward).parameters
    )


def supports_prefix_cache(causal: Any) -> bool:
    """Whether every layer attends to all earlier positions by torch's own attention.

    So there are neither windows, nor soft caps, nor attention sinks.
    """
    config = causal.get_decoder().config
    return (
        supports_shared_prompt(causal)
        and layer_types(config) == {"full_attention"}
        and _masks_say_all(config)
    )


def supports_packed_rows(causal: Any) -> bool:
    """Whether a row can hold several examples, told apart by a block mask and position ids alone.

    So there are neither soft caps, nor attention sinks, nor dropout of attention.
    """
    config = causal.get_decoder().config
    dropouts = (getattr(config, name, None) for name in _ATTENTION_DROPOUTS)
    return supports_shared_prompt(causal) and _masks_say_all(config) and not any(dropouts)


def _masks_say_all(config: Any) -> bool:
    softcap = getattr(config, "attn_logit_softcapping", None)
    return config._attn_implementation == "sdpa" and softcap is None
