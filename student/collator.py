"""From rows and their answers to padded batches: the one place that says what predicts what.

A row stands once, with all its answers behind it: each answer sees the prompt and itself, and its
positions start where the prompt ends, so it is predicted as if it stood there alone.

Letters of shapes, used throughout this room: B rows, T positions, N answer tokens of a batch,
K kept tokens of a stored distribution, V vocabulary, D width of the hidden states, P tokens of a
prefix.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy
import torch

from data.top_logprobs import TopLogprobs

PADDING = -1  # the segment of a position that holds no token


class Example(NamedTuple):
    """A row in one view, and the answers to learn: the same ids behind either view."""

    prompt_ids: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]  # each ends with the token that ends the turn
    tops: tuple[TopLogprobs, ...] = ()  # the teacher's distribution at each token, answer by answer
    teacher_prompt_ids: tuple[int, ...] = ()  # the prompt in the teacher's view, where it is asked

    @property
    def length(self) -> int:
        """Positions that it takes: the last token of an answer predicts nothing and has none."""
        return len(self.prompt_ids) + sum(len(answer) - 1 for answer in self.answers)

    @property
    def answer_tokens(self) -> int:
        """Tokens that are learnt."""
        return sum(map(len, self.answers))

    def prompted(self, skipped: int) -> "Example":
        """The same answers behind the teacher's view, without its first `skipped` tokens."""
        return Example(self.teacher_prompt_ids[skipped:], self.answers)


class Batch(NamedTuple):
    """Rows as a model reads them, and which of their places predict which tokens."""

    input_ids: torch.Tensor  # [B, T], padded on the right
    segments: torch.Tensor  # [B, T] 0: prompt, k: k-th answer, PADDING
    positions: torch.Tensor  # [B, T] from 0; those of every answer follow the prompt's
    branched: bool  # whether a row has several answers; else a causal mask says it all
    logit_positions: torch.Tensor  # [N] place among the B·T from which a token is predicted
    targets: torch.Tensor  # [N] the token, row by row and answer by answer
    top_ids: torch.Tensor | None  # [N, K] the teacher's most likely tokens
    top_logprobs: torch.Tensor | None  # [N, K] float32


class _Row(NamedTuple):
    ids: list[int]
    segments: list[int]
    positions: list[int]
    logit_positions: list[int]
    targets: list[int]


def _laid_out(example: Example) -> _Row:
    size = len(example.prompt_ids)
    row = _Row([*example.prompt_ids], [0] * size, [*range(size)], [], [])
    for number, answer in enumerate(example.answers, 1):
        seen = len(answer) - 1
        begin = len(row.ids)
        row.logit_positions.extend((size - 1, *range(begin, begin + seen)))
        row.targets.extend(answer)
        row.ids.extend(answer[:-1])
        row.segments.extend([number] * seen)
        row.positions.extend(range(size, size + seen))
    return row


def collate(examples: Sequence[Example], device: torch.device | None = None) -> Batch:
    """Examples side by side, padded on the right to the longest."""
    rows = [_laid_out(example) for example in examples]
    width = max(len(row.ids) for row in rows)

    def padded(parts: Sequence[list[int]], filler: int) -> torch.Tensor:
        full = [[*part, *[filler] * (width - len(part))] for part in parts]
        return torch.tensor(full, device=device)  # [B, T]

    places = [place * width + one for place, row in enumerate(rows) for one in row.logit_positions]
    tops = [top for example in examples for top in example.tops]
    return Batch(
        input_ids=padded([row.ids for row in rows], 0),
        segments=padded([row.segments for row in rows], PADDING),
        positions=padded([row.positions for row in rows], 0),
        branched=any(len(example.answers) > 1 for example in examples),
        logit_positions=torch.tensor(places, device=device),
        targets=torch.tensor([one for row in rows for one in row.targets], device=device),
        top_ids=_joined([top.ids for top in tops], torch.long, device),
        top_logprobs=_joined([top.logprobs for top in tops], torch.float32, device),
    )


def _joined(
    parts: Sequence[numpy.ndarray], dtype: torch.dtype, device: torch.device | None
) -> torch.Tensor | None:
    if not parts:
        return None
    return torch.from_numpy(numpy.concatenate(parts)).to(device=device, dtype=dtype)  # [N, K]
