"""Examples, and their collation into padded batches or packed rows.

`collate` records which positions predict which target tokens. A row holds its prompt once, followed
by all its answers. Each answer attends to the prompt and to itself, and its position ids continue
those of the prompt, so its logits equal those of a row with this answer alone.

Shape letters in this room: B rows, T positions, N answer tokens of a batch, K stored tokens of a
distribution, V vocabulary, D width of the hidden states, P tokens of a prefix.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from data.top_logprobs import TopLogprobs

PADDING = -1  # segment of a padded position

TokenIds = NDArray[np.int32]  # [T]
TokenWeights = NDArray[np.float32]  # [T]
NO_TOKENS: TokenIds = np.zeros(0, np.int32)


class Example(NamedTuple):
    """A row and its answers to learn. The answer ids are the same behind either view's prompt."""

    prompt_ids: TokenIds
    answers: tuple[TokenIds, ...]  # each ends with the token that ends the turn
    # the teacher's distributions, answer by answer; None: of a dictated answer
    top_logprobs: tuple[TopLogprobs | None, ...] = ()
    teacher_prompt_ids: TokenIds = NO_TOKENS  # empty where no objective needs them
    # answer by answer: it is learnt by its text alone, the teacher did not choose it; (): none is
    dictated: tuple[bool, ...] = ()
    weight: float = 1.0  # of each answer token in the loss; 1 on average over a training's tokens
    token_weights: tuple[TokenWeights, ...] = ()  # answer by answer, times `weight`; (): all are 1

    @property
    def length(self) -> int:
        """Positions in a batch. The last token of an answer predicts nothing and takes none."""
        return len(self.prompt_ids) + sum(len(answer) - 1 for answer in self.answers)

    @property
    def answer_tokens(self) -> int:
        """Number of target tokens."""
        return sum(map(len, self.answers))

    def teacher_view(self, skipped: int) -> "Example":
        """The same answers behind the teacher's prompt without its first `skipped` tokens."""
        return Example(self.teacher_prompt_ids[skipped:], self.answers)

    def single_answers(self) -> list["Example"]:
        """One example for each answer, with the same prompt."""
        return [
            self._replace(
                answers=(answer,),
                top_logprobs=self.top_logprobs[index : index + 1],
                dictated=self.dictated[index : index + 1],
                token_weights=self.token_weights[index : index + 1],
            )
            for index, answer in enumerate(self.answers)
        ]


class Batch(NamedTuple):
    """Padded rows or one packed row, and the positions whose logits predict the target tokens."""

    input_ids: torch.Tensor  # [B, T], padded on the right
    segments: torch.Tensor  # [B, T] 0: prompt, k: k-th answer, PADDING
    positions: torch.Tensor  # [B, T] position ids; those of every answer continue the prompt's
    documents: torch.Tensor | None  # [1, T] number of the example, PADDING; None: one in each row
    several_answers: bool  # whether a row has several answers; else a causal mask is enough
    logit_positions: torch.Tensor  # [N] index into the flat B·T positions
    targets: torch.Tensor  # [N] token ids, row by row and answer by answer
    top_ids: torch.Tensor | None  # [N, K] the teacher's most likely tokens; any where dictated
    top_logprobs: torch.Tensor | None  # [N, K] float32
    dictated: torch.Tensor  # [N] bool: the target is all that there is to learn
    any_dictated: bool  # whether one is: reading it from the tensor would wait for the device
    weights: torch.Tensor  # [N] float32, of the losses


def collate(
    examples: Sequence[Example],
    device: torch.device | None = None,
    packed_width: int | None = None,
) -> Batch:
    """Pads the examples on the right to the longest one.

    `packed_width`: they stand behind one another in a single row of so many positions instead.
    """
    lengths = [example.length for example in examples]
    shape, starts = (len(examples), max(lengths)), np.arange(len(examples)) * max(lengths)
    if packed_width is not None:
        shape, starts = (1, packed_width), np.cumsum([0, *lengths[:-1]])
    size = shape[0] * shape[1]
    input_ids, positions = np.zeros(size, np.int64), np.zeros(size, np.int64)
    segments, documents = np.full(size, PADDING), np.full(size, PADDING)
    logit_positions: list[NDArray[np.int64]] = []
    for document, (example, first) in enumerate(zip(examples, starts.tolist(), strict=True)):
        prompt_length = len(example.prompt_ids)
        start = first + prompt_length  # all count flat positions
        input_ids[first:start] = example.prompt_ids
        positions[first:start] = np.arange(prompt_length)
        segments[first:start] = 0
        documents[first : first + example.length] = document
        for number, answer in enumerate(example.answers, 1):
            end = start + len(answer) - 1
            input_ids[start:end] = answer[:-1]
            positions[start:end] = prompt_length + np.arange(end - start)
            segments[start:end] = number
            logit_positions.append(np.append(first + prompt_length - 1, np.arange(start, end)))
            start = end

    def rows(flat: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(flat.reshape(shape)).to(device)

    def tensor(parts: Sequence[NDArray[Any]], dtype: torch.dtype = torch.long) -> torch.Tensor:
        return torch.from_numpy(np.concatenate(parts)).to(device=device, dtype=dtype)

    answers = [answer for example in examples for answer in example.answers]
    tops = _filled([top for example in examples for top in example.top_logprobs], answers)
    dictated = [flag for e in examples for flag in e.dictated or (False,) * len(e.answers)]
    weights = [
        np.float32(example.weight) * token_weights
        for example in examples
        for token_weights in example.token_weights or map(np.ones_like, example.answers)
    ]
    sizes = [len(answer) for answer in answers]
    return Batch(
        input_ids=rows(input_ids),
        segments=rows(segments),
        positions=rows(positions),
        documents=None if packed_width is None else rows(documents),
        several_answers=any(len(example.answers) > 1 for example in examples),
        logit_positions=tensor(logit_positions),
        targets=tensor(answers),
        top_ids=tensor([top.ids for top in tops]) if tops else None,
        top_logprobs=tensor([top.logprobs for top in tops], torch.float32) if tops else None,
        dictated=tensor([np.repeat(dictated, sizes)], torch.bool),
        any_dictated=any(dictated),
        weights=tensor(weights, torch.float32),
    )


def _filled(tops: Sequence[TopLogprobs | None], answers: Sequence[TokenIds]) -> list[TopLogprobs]:
    """The distributions, with a stand-in for those of dictated answers, which no loss reads.

    Its tokens are distinct, so that the student's probabilities of these and the rest sum to 1.
    """
    if not tops:
        return []
    width = max((top.ids.shape[1] for top in tops if top is not None), default=1)  # K
    distinct = np.arange(width, dtype=np.int32)
    zeros = np.zeros(width, np.float16)
    return [
        TopLogprobs(np.tile(distinct, (len(answer), 1)), np.tile(zeros, (len(answer), 1)))
        if top is None
        else top
        for top, answer in zip(tops, answers, strict=True)
    ]
