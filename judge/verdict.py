"""A verdict: the outcome of one rule on one answer, or the reason why it is missing."""

from typing import Literal

from data.records import Record

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
    "budget",
    "not_run",
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
    note: str = ""  # the judge's reasoning, or the finding of the check
