"""Answers to prompts with a common beginning, whose keys and values the rows of a batch share.

transformers' own `generate` would need a copy of them in every row, and would copy it again for
every token. So this module has a loop of its own: it reads the prompts behind the prefix, then one
token per row and step, and drops rows whose answers are whole.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from transformers import DynamicCache

from engine.attention_support import supports_prefix_cache
from engine.models import TorchModel
from engine.prefix_cache import PrefixCache, attending_to, common_prefix, compute_prefix
from engine.token_sampler import TokenSampler

_SHORTEST = 16  # tokens of a prefix that is worth a pass of its own


def shared_prefix(model: TorchModel, prompts: Sequence[tuple[int, ...]]) -> PrefixCache | None:
    """The beginning that all prompts share, read once by a model in eval mode.

    None where it is short, where there is only one prompt, behind virtual tokens, and where the
    model's layers do not read it exactly.
    """
    causal = model
    if isinstance(model, PeftModel):
        if model.active_peft_config.is_prompt_learning:
            return None
        causal = model.get_base_model()
    if len(prompts) < 2 or not supports_prefix_cache(causal):
        return None
    ids = common_prefix([np.array(prompt, np.int32) for prompt in prompts])
    return compute_prefix(causal, ids) if len(ids) >= _SHORTEST else None


@torch.no_grad()
def generate_behind(
    causal: Any, prefix: PrefixCache, prompts: Sequence[tuple[int, ...]], sampler: TokenSampler
) -> Iterator[int]:
    """Fills the sampler; yields the index of each row when its answer is whole."""
    batch = _Rows(causal, prefix, [prompt[prefix.length :] for prompt in prompts])
    token_ids = torch.tensor([prompt[-1] for prompt in prompts])
    while len(batch.rows):
        token_ids = sampler.draw(batch.step(token_ids), batch.rows)
        is_done = sampler.done[batch.rows]
        yield from batch.rows[is_done].tolist()
        token_ids = token_ids[~is_done]
        batch.keep(~is_done)


class _Rows:
    """The unfinished rows of a batch with their keys and values.

    A row is padded behind its prompt, where no earlier token sees the padding.
    """

    def __init__(self, causal: Any, prefix: PrefixCache, prompts: list[tuple[int, ...]]) -> None:
        """Reads the prompts, without the prefix and without their last tokens."""
        self._causal, self._prefix = causal, prefix
        self._device = causal.get_input_embeddings().weight.device
        self._cache = DynamicCache()
        self.rows = torch.arange(len(prompts))
        read = [list(prompt[:-1]) for prompt in prompts]
        self._lengths = torch.tensor(list(map(len, read)))  # of each row, behind the prefix
        width = int(self._lengths.max())
        self._seen = torch.arange(width) < self._lengths[:, None]  # [B, keys]
        if width:
            ids = torch.tensor([row + [0] * (width - len(row)) for row in read])
            self._forward(ids, torch.arange(width).expand(len(read), -1), None)

    def step(self, token_ids: torch.Tensor) -> torch.Tensor:
        """The logits [b, V] behind one more token of each row."""
        self._seen = torch.cat([self._seen, torch.ones(len(self.rows), 1, dtype=torch.bool)], 1)
        mask = self._seen[:, None, None].to(self._device)
        logits = self._forward(token_ids[:, None], self._lengths[:, None], mask)
        self._lengths = self._lengths + 1
        return logits

    def keep(self, chosen: torch.Tensor) -> None:
        """Drops the rows that are not chosen, [b] bool."""
        if chosen.all():
            return
        self.rows, self._seen, self._lengths = (
            part[chosen] for part in (self.rows, self._seen, self._lengths)
        )
        if len(self.rows):
            self._cache.batch_select_indices(chosen.nonzero()[:, 0].to(self._device))

    def _forward(
        self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """The logits [b, V] behind the last of these positions, which count from the prefix on."""
        with attending_to(self._causal, self._prefix):
            output = self._causal(
                input_ids=ids.to(self._device),
                position_ids=(positions + self._prefix.length).to(self._device),
                attention_mask=mask,
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
        logits: torch.Tensor = output.logits[:, -1]
        return logits
