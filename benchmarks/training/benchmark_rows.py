"""The rows of the training benchmark: random ids, which do not change the time."""

from functools import cache
from typing import NamedTuple

import numpy as np

from data.top_logprobs import TopLogprobs
from engine.models import load_tokenizer, resolve_model
from student.collator import Example, TokenIds


class RowLengths(NamedTuple):
    """Tokens of the parts of a row, and rows per step."""

    system: int
    own: int  # of the row's unprompted view
    answer: int
    rows: int

    @property
    def prompted(self) -> int:
        """Tokens of a row in the teacher's pass, its answer included."""
        return self.system + self.own


class BenchmarkRows:
    """Rows for one model."""

    def __init__(self, lengths: RowLengths, model: str = "embedded") -> None:
        """`model` as in `model.name`."""
        self.lengths = lengths
        self.model = resolve_model(model)
        self.tokenizer = load_tokenizer(self.model)
        self._random = np.random.default_rng(0)
        self.system = self._ids(lengths.system)
        self.examples = cache(self._examples)  # the same rows for every trainer

    def _examples(self, answers: int) -> list[Example]:
        """As many answers as rows in a step, `answers` of them to each prompt."""
        return [self._row(answers) for _ in range(self.lengths.rows // answers)]

    def _row(self, answers: int) -> Example:
        own = self._ids(self.lengths.own)
        texts = tuple(self._ids(self.lengths.answer) for _ in range(answers))
        tops = tuple(self._top_logprobs(len(text)) for text in texts)
        return Example(own, texts, tops, np.append(self.system, own))

    def _top_logprobs(self, size: int) -> TopLogprobs:
        words = len(self.tokenizer)
        ids = np.stack([self._random.choice(words, 20, replace=False) for _ in range(size)])
        logprobs = np.tile(-np.arange(1, 21) / 2 - 1, (size, 1)).astype(np.float16)
        return TopLogprobs(ids.astype(np.int32), logprobs)

    def _ids(self, count: int) -> TokenIds:
        return self._random.integers(100, len(self.tokenizer), count).astype(np.int32)
