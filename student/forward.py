"""Hidden states of a student, or of its base, at the positions that predict answer tokens.

Bypasses the heads of transformers and peft, which would project every position. So this module adds
the virtual tokens of prompt methods itself, and attends to a prefix cache.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, PeftModel
from peft.helpers import disable_input_dtype_casting

from engine.layer_types import layer_types
from engine.models import TorchModel
from engine.prefix_cache import PrefixCache, attending_to
from student.collator import PADDING, Batch
from student.distributed import is_sharded
from student.packed_masks import packed_masks


def causal_model(model: TorchModel) -> Any:
    """The transformers model inside, with its adapters."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def student_states(model: TorchModel, batch: Batch) -> torch.Tensor:
    """The student's hidden states [N, D] at the predicting positions."""
    with disable_input_dtype_casting(model, active=_autocast_casts(model)):
        return _states(causal_model(model), batch, _virtual_prefix(model, len(batch.input_ids)))


def base_states(model: TorchModel, batch: Batch, prefix: PrefixCache | None = None) -> torch.Tensor:
    """The same of the untouched base, without gradients. `batch` continues the prefix."""
    causal, skipped = causal_model(model), prefix.length if prefix else 0
    with base_only(model), torch.no_grad(), attending_to(causal, prefix):
        return _states(causal, batch, _NO_PREFIX, skipped)


@contextmanager
def base_only(model: TorchModel) -> Iterator[None]:
    """Disables the adapter and sets eval mode.

    In training mode transformers drops a KV cache under gradient checkpointing.
    """
    training = model.training
    model.eval()
    try:
        with model.disable_adapter():
            yield
    finally:
        model.train(training)


class VirtualPrefix(NamedTuple):
    """Virtual tokens in front of every row of a batch."""

    embeddings: torch.Tensor | None  # [B, P, D]
    cache: Any  # keys and values, or None
    length: int  # P


_NO_PREFIX = VirtualPrefix(None, None, 0)


def _autocast_casts(model: TorchModel) -> bool:
    """Whether autocast alone casts an adapter's input to the type that it multiplies in.

    peft would copy every input to LoRA's float32 first, and autocast would copy it back: a tenth of
    a step. DoRA needs peft's cast: it takes the dtype of its weight norm from the input.
    """
    device = causal_model(model).device.type
    is_lora = isinstance(model, PeftModel) and isinstance(model.active_peft_config, LoraConfig)
    return torch.is_autocast_enabled(device) and is_lora and not model.active_peft_config.use_dora


def _virtual_prefix(model: TorchModel, rows: int) -> VirtualPrefix:
    if not isinstance(model, PeftModel) or not model.active_peft_config.is_prompt_learning:
        return _NO_PREFIX
    length: int = model.active_peft_config.num_virtual_tokens
    prompt = model.get_prompt(batch_size=rows)
    if isinstance(prompt, torch.Tensor):
        return VirtualPrefix(prompt, None, length)
    return VirtualPrefix(None, prompt, length)


def _states(causal: Any, batch: Batch, virtual: VirtualPrefix, skipped: int = 0) -> torch.Tensor:
    """[N, D]. `skipped`: length of the prefix cache, which only the attention sees."""
    width = batch.input_ids.shape[1]
    inputs: dict[str, Any] = {"input_ids": batch.input_ids}
    if virtual.embeddings is not None:
        tokens = causal.get_input_embeddings()(batch.input_ids)  # [B, T, D]
        inputs = {"inputs_embeds": torch.cat([virtual.embeddings.to(tokens.dtype), tokens], 1)}
    inputs |= {"past_key_values": virtual.cache, "use_cache": False}
    packed = batch.documents is not None
    if packed:
        masks = packed_masks(causal.get_decoder().config, batch, skipped)
        inputs |= {"attention_mask": masks}
    elif batch.several_answers:
        inputs |= {"attention_mask": _masks(causal.get_decoder(), batch, virtual)}
    if packed or batch.several_answers or skipped:
        inputs |= {"position_ids": _positions(batch, virtual) + skipped}
    hidden = _decoder_states(causal, inputs)  # [B, T, D], or [B, P + T, D]
    states: torch.Tensor = hidden[:, -width:].flatten(0, 1)[batch.logit_positions]  # [N, D]
    return states


def _decoder_states(causal: Any, inputs: Mapping[str, Any]) -> torch.Tensor:
    """What the decoder gives to the head."""
    decoder = causal.get_decoder()
    if not is_sharded(causal):
        states: torch.Tensor = decoder(**inputs).last_hidden_state
        return states
    outputs: list[Any] = []
    hook = decoder.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    no_positions = torch.empty(0, dtype=torch.long, device=causal.device)
    try:  # only the forward pass of the whole model unshards all weights
        causal(**inputs, logits_to_keep=no_positions)
    finally:
        hook.remove()
    states = outputs[0].last_hidden_state
    return states


def _masks(decoder: Any, batch: Batch, virtual: VirtualPrefix) -> Any:
    """One mask for all layers, or one for each of their types, as transformers takes them."""
    config = decoder.config
    mask, distance = _mask(batch, virtual)
    masks = {kind: mask for kind in sorted(layer_types(config))}
    if "sliding_attention" in masks:  # a window counts tokens as each answer alone would
        masks["sliding_attention"] = mask & (distance < config.sliding_window)[:, None]
    if config._attn_implementation == "eager":  # which adds masks
        lowest = torch.finfo(decoder.dtype).min
        for kind, mask in masks.items():
            masks[kind] = torch.zeros_like(mask, dtype=decoder.dtype).masked_fill(~mask, lowest)
    return masks if len(masks) > 1 else masks.popitem()[1]


def _mask(batch: Batch, virtual: VirtualPrefix) -> tuple[torch.Tensor, torch.Tensor]:
    """[B, 1, queries, keys] bool: earlier positions of the prompt or of the same answer; and the
    distances of positions [B, queries, keys].

    Rows with one answer need only the model's own mask: padding is on the right, after every token.
    """
    rows, _ = batch.segments.shape
    front = batch.segments.new_zeros(rows, virtual.length)
    keys = torch.cat([front, batch.segments], 1)
    queries = batch.segments if virtual.embeddings is None else keys
    visible = (keys[:, None] == queries[..., None]) | (keys[:, None] == 0)
    earlier = torch.ones(visible.shape[1:], dtype=torch.bool, device=visible.device)
    earlier = earlier.tril(keys.shape[1] - queries.shape[1])
    front_positions = torch.arange(virtual.length, device=visible.device).expand(rows, -1)
    positions = torch.cat([front_positions, batch.positions + virtual.length], 1)
    distance = positions[:, -queries.shape[1] :, None] - positions[:, None]
    # a padded query attends to itself: softmax over no key would be NaN
    return (visible & (earlier | (queries == PADDING)[..., None]))[:, None], distance


def _positions(batch: Batch, virtual: VirtualPrefix) -> torch.Tensor:
    positions = batch.positions + virtual.length
    if virtual.embeddings is None:
        return positions
    front = torch.arange(virtual.length, device=positions.device)
    return torch.cat([front.expand(len(positions), -1), positions], 1)
