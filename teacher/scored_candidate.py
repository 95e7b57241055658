"""A candidate: an answer with its verdicts and, after selection, its outcome."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from data.answers import Answer
from judge.verdict import Verdict

# A row without a selected answer counts under the last of these outcomes among its candidates: the
# one that came closest to being selected.
SelectionOutcome = Literal[
    "too_long",  # the prompt does not fit
    "empty",
    "truncated",  # by the token limit
    "duplicate",  # same text as an earlier candidate of the row
    "broke_must_rule",
    "no_better_than_base",
    "undecided",  # a missing verdict would decide
    "common_text",  # enough other rows learn the same text
    "over_share",  # enough other rows learn an answer of the same conditional rule
    "surplus",  # the row has enough better candidates
    "selected",
]


class RuleCounts(NamedTuple):
    """One answer's broken and open rules. Open: the verdict is missing.

    Rules that are open because the row has no labels are not counted: they are open for every
    answer to the row and cannot rank them.
    """

    must_broken: int
    must_open: int
    should_broken: int
    should_open: int

    @property
    def passes_must_rules(self) -> bool:
        """Whether it breaks no must-rule and none is open."""
        return self.must_broken == self.must_open == 0

    @property
    def flawless(self) -> bool:
        """Whether it breaks no rule and none is open."""
        return sum(self) == 0


@dataclass(frozen=True)
class ScoredCandidate:
    """An answer with one verdict per rule."""

    answer: Answer
    verdicts: Sequence[Verdict]
    must_rules: Collection[str]
    outcome: SelectionOutcome | None = None  # None: before selection

    @cached_property
    def rule_counts(self) -> RuleCounts:
        """Broken and open rules by severity."""
        counts = Counter(
            (verdict.outcome, verdict.rule in self.must_rules)
            for verdict in self.verdicts
            if verdict.reason != "unlabelled"
        )
        return RuleCounts(
            must_broken=counts["fail", True],
            must_open=counts["missing", True],
            should_broken=counts["fail", False],
            should_open=counts["missing", False],
        )

    @property
    def rank(self) -> tuple[bool, RuleCounts, float, int]:
        """Sort key, best first: complete, fewest broken must-rules, then should-rules, highest mean
        log-probability, lowest sample number."""
        logprobs = self.answer.logprobs
        mean_logprob = sum(logprobs) / len(logprobs) if logprobs else 0.0
        return not self.answer.usable, self.rule_counts, -mean_logprob, self.answer.sample
