"""Draws the tokens of a batch's answers and records them with their log-probabilities.

Every answer has random numbers of its own: one uniform number per token, from a generator on the
CPU with the request's seed. So a sampled answer depends neither on the other prompts of its batch
nor on the device, but for rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from transformers import TopPLogitsWarper

from data.top_logprobs import TopLogprobs

GREEDY_BELOW = 1e-5  # temperature; vLLM's bound


@dataclass(frozen=True)
class GenerationSettings:
    """How transformers generates an answer."""

    stop_ids: tuple[int, ...]  # token ids that end an answer
    max_tokens: int
    temperature: float = 0.0  # 0: greedily
    top_p: float = 1.0
    # K: the log-probability of each token, and those of the K most likely ones; None: none
    logprobs: int | None = None
    tokens_per_pass: int = 32_768  # per batch, with padding, virtual tokens and answers


class RowSettings(NamedTuple):
    """What may differ between the rows of a batch."""

    max_tokens: int
    seed: int | None = None  # None: random numbers of torch's global state


class GeneratedAnswer(NamedTuple):
    """The answer to one prompt."""

    prompt: int  # index among the prompts
    token_ids: tuple[int, ...]  # with the stop token, if one was generated
    logprobs: tuple[float, ...] | None  # before temperature
    top_logprobs: TopLogprobs | None = None  # if K is above 0


class TokenSampler:
    """The answers of one batch, token by token."""

    def __init__(self, settings: GenerationSettings, rows: Sequence[RowSettings]) -> None:
        self._settings = settings
        self._max_tokens = torch.tensor([row.max_tokens for row in rows])
        self._stop_ids = torch.tensor(settings.stop_ids)
        shape = len(rows), int(self._max_tokens.max())
        is_greedy = settings.temperature < GREEDY_BELOW
        self._uniforms = None if is_greedy else _uniform_numbers(rows, shape[1])  # [B, T]
        self.done = torch.zeros(len(rows), dtype=torch.bool)
        self._lengths = torch.zeros(len(rows), dtype=torch.long)
        self._token_ids = torch.zeros(shape, dtype=torch.long)  # [B, T]
        self._logprobs = torch.zeros(shape)
        shape_of_top = (*shape, settings.logprobs or 0)  # [B, T, K]
        self._top_ids = torch.zeros(shape_of_top, dtype=torch.int32)
        self._top_logprobs = torch.zeros(shape_of_top, dtype=torch.float16)

    def draw(self, logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The next token ids [b] of these rows, by their logits [b, V]. No row may be done."""
        # MPS has no float64, and its memory is the CPU's
        logits = (logits.cpu() if logits.device.type == "mps" else logits).float()
        steps = self._lengths[rows]
        drawn = self._pick(logits, rows, steps)
        if self._settings.logprobs is not None:
            logprobs = torch.log_softmax(logits, -1)
            self._logprobs[rows, steps] = logprobs.gather(1, drawn[:, None])[:, 0].cpu()
            if self._settings.logprobs:
                top = logprobs.topk(self._settings.logprobs)
                self._top_ids[rows, steps] = top.indices.int().cpu()
                self._top_logprobs[rows, steps] = top.values.half().cpu()
        token_ids = drawn.cpu()
        self._token_ids[rows, steps] = token_ids
        self._lengths[rows] = steps + 1
        is_full = steps + 1 >= self._max_tokens[rows]
        self.done[rows] = is_full | torch.isin(token_ids, self._stop_ids)
        return token_ids

    def answer(self, row: int, prompt: int) -> GeneratedAnswer:
        """The answer of a row so far, as the answer to the prompt of this index."""
        length = int(self._lengths[row])
        ids = tuple(self._token_ids[row, :length].tolist())
        if self._settings.logprobs is None:
            return GeneratedAnswer(prompt, ids, None)
        top = TopLogprobs(
            self._top_ids[row, :length].numpy(), self._top_logprobs[row, :length].numpy()
        )
        logprobs = tuple(self._logprobs[row, :length].tolist())
        return GeneratedAnswer(prompt, ids, logprobs, top if self._settings.logprobs else None)

    def _pick(self, logits: torch.Tensor, rows: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """Token ids [b]: the most likely ones, or by the inverse of the distribution function."""
        if self._uniforms is None:
            return logits.argmax(-1)
        scores = logits / self._settings.temperature
        if self._settings.top_p < 1:
            scores = TopPLogitsWarper(self._settings.top_p)(None, scores)
        # sums in float64: those of float32 over a large vocabulary would lose rare tokens
        cumulative = scores.softmax(-1).cumsum(-1, dtype=torch.float64)  # [b, V]
        uniforms = self._uniforms[rows, steps].to(logits.device)
        bounds = uniforms[:, None] * cumulative[:, -1:]
        # right: the first token whose sum is above the bound; one of probability 0 never is
        drawn = torch.searchsorted(cumulative, bounds, right=True)[:, 0]
        return drawn.clamp_max(logits.shape[-1] - 1)


def _uniform_numbers(rows: Sequence[RowSettings], width: int) -> torch.Tensor:
    """Numbers in [0, 1), [B, T] float64; the first ones of a row do not depend on the width."""
    numbers = torch.zeros(len(rows), width, dtype=torch.float64)
    for index, row in enumerate(rows):
        generator = None if row.seed is None else torch.Generator().manual_seed(row.seed)
        numbers[index, : row.max_tokens] = torch.rand(
            row.max_tokens, dtype=torch.float64, generator=generator
        )
    return numbers
