"""A verdict: what one rule says of one answer, and why it is missing when it is."""

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
    "unlabelled",  # the row carries no label, and the rule's condition needs one
]


class Verdict(Record):
    """The outcome of one rule on one answer."""

    arm: str
    row: str
    sample: int = 0
    rule: str  # id of a due rule, see prompts.rules.RuleFile.scored_rules
    outcome: Outcome
    reason: Missing | None = None  # set exactly when the outcome is missing
    by: Literal["code", "llm"] = "code"
    note: str = ""  # the judge's words, or what the code found
