"""A verdict: the outcome of one rule on one answer, or the reason why it is missing."""

from typing import Literal

from data.records import Record

Judged = Literal["pass", "fail"]
Outcome = Literal["pass", "fail", "not_applicable", "missing"]
Missing = Literal[
    "transport",
    "malformed",
    "truncated",
    "refused",
    "overflow",
    "empty",
    "cannot_judge",
    "tie",
    "disagreement",  # of two models
    "budget",
    "not_run",
    "unanswered",  # the arm has no answer to the row: no verdict is stored, scores count it
    "unlabelled",  # the row has no label, and the rule's condition needs one
]


class Verdict(Record):
    """The outcome of one rule on one answer."""

    arm: str
    row: str
    sample: int = 0
    rule: str  # id of a scored rule, see prompts.rules.RuleFile.scored_rules
    outcome: Outcome
    reason: Missing | None = None  # set exactly when the outcome is missing
    by: Literal["code", "llm"] = "code"
    # what the first and the second model ruled; None: there is one, or one of them did not rule
    judges: tuple[Judged, Judged] | None = None
    # of a pass beside a fail, by the tokens of the reply; None: not asked for, or not in the reply
    probability: float | None = None
    place: int = 0  # of the rule among those that its call was about; 0: the first, or the only one
    note: str = ""  # the judge's reasoning, or the finding of the check
