"""Hidden states of a student, or of its base, at the places that predict answer tokens.

Goes past the heads of transformers and peft, which would project every position: so it brings the
virtual tokens of prompt methods itself, and a prefix that was read before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from peft.helpers import disable_input_dtype_casting

from student.collator import PADDING, Batch
from student.distributed import in_shares
from student.prefix_cache import Prefix, behind

Model = Any  # a peft model around a transformers one, or the latter alone


def causal_of(model: Model) -> Any:
    """The transformers model that is adapted, adapters included."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def head_weight(model: Model) -> torch.Tensor:
    """Weight of the projection to the vocabulary, [V, D]. It has no bias in any chat model."""
    weight: torch.Tensor = causal_of(model).lm_head.weight
    return weight


def student_states(model: Model, batch: Batch) -> torch.Tensor:
    """The student's hidden states [N, D] at the predicting places."""
    with disable_input_dtype_casting(model, active=_casts_by_itself(model)):
        return _states(causal_of(model), batch, _virtual(model, len(batch.input_ids)))


def base_states(model: Model, batch: Batch, prefix: Prefix | None = None) -> torch.Tensor:
    """The untouched base's, likewise; `batch` follows the prefix. Without gradients."""
    causal, skipped = causal_of(model), prefix.length if prefix else 0
    with base_only(model), torch.no_grad(), behind(causal, prefix):
        return _states(causal, batch, _NOTHING, skipped)


@contextmanager
def base_only(model: Model) -> Iterator[None]:
    """The adapter off, and in eval mode: while training, transformers drops a cache under
    gradient checkpointing."""
    training = model.training
    model.eval()
    try:
        with model.disable_adapter():
            yield
    finally:
        model.train(training)


class _Before(NamedTuple):
    """What stands before a batch's tokens, for every row of it."""

    embeddings: torch.Tensor | None  # [B, P, D]
    cache: Any  # keys and values, or None
    length: int  # P


_NOTHING = _Before(None, None, 0)


def _casts_by_itself(model: Model) -> bool:
    """Whether autocast brings an adapter's input to the type that it multiplies in.

    peft would copy every input to the adapter's float32 first, for autocast to copy it back: a
    tenth of a step. Not so DoRA, which takes the type of the base's weights' norm from its input.
    """
    device = head_weight(model).device.type
    return torch.is_autocast_enabled(device) and not _is_dora(model)


def _is_dora(model: Model) -> bool:
    return isinstance(model, PeftModel) and getattr(model.active_peft_config, "use_dora", False)


def _is_virtual(model: Model) -> bool:
    return isinstance(model, PeftModel) and bool(model.active_peft_config.is_prompt_learning)


def _virtual(model: Model, rows: int) -> _Before:
    if not _is_virtual(model):
        return _NOTHING
    length: int = model.active_peft_config.num_virtual_tokens
    prompt = model.get_prompt(batch_size=rows)
    if isinstance(prompt, torch.Tensor):
        return _Before(prompt, None, length)
    return _Before(None, prompt, length)


def _states(causal: Any, batch: Batch, before: _Before, skipped: int = 0) -> torch.Tensor:
    """[N, D]; `skipped` tokens of every row are seen by the attention alone."""
    width = batch.input_ids.shape[1]
    inputs: dict[str, Any] = {"input_ids": batch.input_ids}
    if before.embeddings is not None:
        own = causal.get_input_embeddings()(batch.input_ids)  # [B, T, D]
        inputs = {"inputs_embeds": torch.cat([before.embeddings.to(own.dtype), own], 1)}
    inputs |= {"past_key_values": before.cache, "use_cache": False}
    if batch.branched:
        inputs |= {"attention_mask": _mask(batch, before)}
    if batch.branched or skipped:
        inputs |= {"position_ids": _positions(batch, before) + skipped}
    if in_shares(causal):  # only the whole model's forward pass puts all of it together
        nowhere = torch.empty(0, dtype=torch.long, device=batch.input_ids.device)
        seen = causal(**inputs, logits_to_keep=nowhere, output_hidden_states=True)
        hidden = seen.hidden_states[-1]
    else:
        hidden = causal.model(**inputs).last_hidden_state
    states: torch.Tensor = hidden[:, -width:].flatten(0, 1)[batch.logit_positions]  # [N, D]
    return states


def _mask(batch: Batch, before: _Before) -> torch.Tensor:
    """[B, 1, queries, keys] bool: what came before it, if prompt or of the same answer.

    Without it (no row has several answers) a causal mask does: padding stands on the right, where
    no token looks.
    """
    rows, _ = batch.segments.shape
    front = batch.segments.new_zeros(rows, before.length)
    keys = torch.cat([front, batch.segments], 1)
    queries = batch.segments if before.embeddings is None else keys
    own = (keys[:, None] == queries[..., None]) | (keys[:, None] == 0)
    earlier = torch.ones(own.shape[1:], dtype=torch.bool, device=own.device)
    earlier = earlier.tril(keys.shape[1] - queries.shape[1])
    # a padded query sees itself, or softmax would divide by nothing
    return (own & (earlier | (queries == PADDING)[..., None]))[:, None]


def _positions(batch: Batch, before: _Before) -> torch.Tensor:
    positions = batch.positions + before.length
    if before.embeddings is None:
        return positions
    front = torch.arange(before.length, device=positions.device)
    return torch.cat([front.expand(len(positions), -1), positions], 1)
