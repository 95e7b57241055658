"""Examples of random ids, in the lengths of a workload."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data.top_logprobs import TopLogprobs
from student.collator import Example, TokenIds

STORED = 20  # the most likely tokens of a position, as `teacher.sampling.logprobs: 20` stores them


class ExampleLengths(NamedTuple):
    """Rows of an optimiser step, and the tokens of each."""

    prompt: int
    answer: int
    rows: int
    answers: int = 1  # behind each prompt
    varied: bool = False  # lengths from half to one and a half of these, the same on average
    stored: bool = False  # with the teacher's probabilities

    @property
    def title(self) -> str:
        """The lengths in words."""
        answers = f"{self.answers} × " if self.answers > 1 else ""
        return (
            f"{self.rows} rows of {self.prompt:,} + {answers}{self.answer:,} tokens"
            f"{', varied' if self.varied else ''}"
        )


def random_examples(lengths: ExampleLengths, vocabulary: int) -> list[Example]:
    """The rows of a step."""
    random = np.random.default_rng(0)

    def ids(mean: int, factor: float) -> TokenIds:
        return random.integers(0, vocabulary, max(1, round(mean * factor))).astype(np.int32)

    examples = []
    for row in range(lengths.rows):
        factor = 0.5 + (row + 0.5) / lengths.rows if lengths.varied else 1.0
        answers = tuple(ids(lengths.answer, factor) for _ in range(lengths.answers))
        tops = tuple(_top_logprobs(len(answer), vocabulary, random) for answer in answers)
        examples.append(
            Example(ids(lengths.prompt, factor), answers, tops if lengths.stored else ())
        )
    return examples


def _top_logprobs(length: int, vocabulary: int, random: np.random.Generator) -> TopLogprobs:
    """Distinct tokens at each position; their probabilities sum to 0.57."""
    first = random.integers(0, vocabulary, (length, 1))
    stride = max(1, vocabulary // STORED)
    ids = (first + stride * np.arange(STORED)) % vocabulary
    logprobs = np.tile(-np.arange(1, STORED + 1) / 2 - 1, (length, 1))
    return TopLogprobs(ids.astype(np.int32), logprobs.astype(np.float16))


def token_count(examples: Sequence[Example]) -> int:
    """Tokens of prompts and answers."""
    return sum(len(example.prompt_ids) + example.answer_tokens for example in examples)
