"""An answer of one arm to one row, as stored in `answers/<arm>.jsonl` and `selected.jsonl`."""

from pathlib import Path
from typing import Literal

from data.jsonl import read_appended
from data.records import Record
from data.rows import Row
from data.visible_text import has_visible_text

Finish = Literal["stop", "length", "too_long"]  # too_long: the prompt did not fit, no request
# how a candidate came about · sampled: behind the ordinary prompted view · focused: behind a view
# with only the rules that are due · reminded: the broken rules are quoted behind the question ·
# prefilled: its beginning was given · constructed: the prompt dictates all of it
How = Literal["sampled", "focused", "reminded", "prefilled", "constructed"]


class Answer(Record):
    """One sampled answer, or the record that the row's prompt does not fit."""

    # hash of everything that determines the answer; its top logprobs have the same key
    key: str  # "": no engine sampled the text
    arm: str
    row: str
    sample: int  # 0 … n−1
    text: str
    token_ids: tuple[int, ...] = ()
    finish: Finish
    seed: int
    prompt_tokens: int
    logprobs: tuple[float, ...] | None = None  # of each answer token, before temperature
    dropped: int = 0  # last passages of the row, not shown because they do not fit
    order: tuple[int, ...] | None = None  # of the worked examples, when shuffled
    reasoning_cut: bool = False  # reasoning stood in front of the answer and was removed
    how: How = "sampled"

    @classmethod
    def from_text(cls, arm: str, row: str, text: str) -> "Answer":
        """A whole answer that no engine sampled."""
        return cls(
            key="", arm=arm, row=row, sample=0, text=text, finish="stop", seed=0, prompt_tokens=0
        )

    @property
    def usable(self) -> bool:
        """Whether the answer is complete: not cut by the token limit, and visible."""
        return self.finish == "stop" and has_visible_text(self.text)

    @property
    def dictated(self) -> bool:
        """Whether the model did not choose all tokens: its probabilities teach nothing then."""
        return self.how in ("prefilled", "constructed")

    def shown(self, row: Row) -> Row:
        """The row with only the passages that the prompt of this answer showed."""
        contexts = row.contexts[: len(row.contexts) - self.dropped]
        return row.model_copy(update={"contexts": contexts})


def logged_answers(row: Row) -> list[Answer]:
    """The row's logged answers, one arm per logged system: what users get today."""
    return [
        Answer.from_text(f"logged/{system}", row.id, text) for system, text in row.answers.items()
    ]


def top_logprobs_path(path: Path) -> Path:
    """The file with the most likely tokens of a file of answers."""
    return path.with_suffix(".arrow")


def verdicts_path(path: Path) -> Path:
    """The file with the verdicts on a file of answers."""
    return path.with_suffix(".verdicts.jsonl")


def read_answers(path: Path) -> list[Answer]:
    """The answers of one arm; an empty list when it has no file."""
    return list(read_appended(path, Answer))
