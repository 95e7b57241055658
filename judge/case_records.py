"""The records of conditional rules in scores.json, and of the reasons not to serve a model.

A conditional rule is due on some rows only, such as a refusal. Shares are 0 … 1.
"""

from typing import Literal

from data.answers import How
from data.records import Record
from judge.metrics.interval import Interval

ServeCheck = Literal[
    "few_obey", "few_learnt", "not_taught", "not_learnt", "not_better", "fragments"
]


class CountedShare(Record):
    """`count` of `n` answers, with the 95 % interval of the share; None without answers."""

    count: int
    n: int
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, count: int, n: int, interval: Interval | None) -> "CountedShare":
        """The record of a share with its interval."""
        ends = (None, None) if interval is None else (interval.low, interval.high)
        return cls(count=count, n=n, low=ends[0], high=ends[1])


class FragmentExample(Record):
    """An answer that holds a fragment of a fixed sentence."""

    row: str
    fragment: str  # folded words
    answer: str


class ConditionalScore(Record):
    """One conditional rule on one arm."""

    obeyed: CountedShare  # of the answers where it is due
    said: CountedShare  # of the answers where it is not due, those that pass its check
    # of the answers where it is not due and not said, those with a fragment of its fixed sentence;
    # None: the rule demands no fixed sentence. A diagnosis: it changes no verdict.
    fragments: CountedShare | None = None
    example: FragmentExample | None = None


class ConditionalRule(Record):
    """A conditional rule: how the arms follow it, and what taught it."""

    rule: str
    must: bool
    arms: dict[str, ConditionalScore]
    worked_examples: int | None  # examples of the prompt that show it; None: a model decides that
    taught: dict[How, int] | None  # train rows by how their answers came about; None: not recorded
    floor: int  # train rows that should teach it
    advice: str | None = None  # what would help; None: not recorded, or the floor is reached

    @property
    def taught_rows(self) -> int | None:
        """The train rows that taught the rule."""
        return None if self.taught is None else sum(self.taught.values())


class ServeReason(Record):
    """One reason not to serve a student. Both texts are without a final full stop."""

    check: ServeCheck
    finding: str  # one plain sentence
    remedy: str  # what would help


class ServeDecision(Record):
    """Whether anything speaks against serving the best student."""

    student: str  # arm
    reasons: tuple[ServeReason, ...]  # empty: nothing
