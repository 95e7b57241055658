"""People's labels of single rules against the judge's verdicts: its errors on those rules.

Sheets of `export-for-labelling --rule RULE` ask whether an answer obeys one rule. Labels of answers
that were generated anew since do not count.
"""

from collections.abc import Sequence
from typing import NamedTuple

from config.schema import Config
from data.answers import Answer
from data.rows import Row
from data.run_paths import RunPaths
from judge.annotation.sheet import answer_id, stored_labels
from judge.inputs import answered_pairs
from judge.metrics.agreement import rater_agreement
from judge.metrics.verdict_table import VerdictTable
from judge.records import RaterAgreement
from judge.verdict import Verdict
from prompts.rules import RuleFile


class RuleLabelAgreement(RaterAgreement):
    """The judge on one rule compared with people, who are the gold."""

    rule: str


class RuleLabel(NamedTuple):
    """Whether an answer obeys a rule, as people see it."""

    rule: str
    row: Row  # as the answer's author saw it
    answer: Answer
    good: bool


def read_rule_labels(config: Config, rules: RuleFile) -> list[RuleLabel]:
    """The labels of rules that the rule file has, on the answers to val as they are now.

    Raises as `answered_pairs` does, where there are any.
    """
    by_rule = stored_labels(RunPaths.of(config)).rules
    known = {rule.id for rule in rules.rules}
    if not known.intersection(by_rule):
        return []
    pairs = {answer_id(answer): (row, answer) for row, answer in answered_pairs(config)}
    return [
        RuleLabel(rule, *pairs[label.answer], label.good)
        for rule, arms in by_rule.items()
        if rule in known
        for labels in arms.values()
        for label in labels.labels
        if label.answer in pairs
    ]


def rule_label_agreements(
    labels: Sequence[RuleLabel], table: VerdictTable, seed: int
) -> list[RuleLabelAgreement]:
    """One record per labelled rule; verdicts that a rule does not apply are missing."""
    records = []
    for rule in dict.fromkeys(label.rule for label in labels):
        gold = [label for label in labels if label.rule == rule]
        decided = [
            (label.good, passed, table.questions[label.row.id])
            for label in gold
            if (passed := _decided(table, label)) is not None
        ]
        good, passes, clusters = zip(*decided, strict=True) if decided else ((), (), ())
        agreement = rater_agreement(good, passes, clusters, len(gold) - len(decided), seed)
        records.append(RuleLabelAgreement(rule=rule, **dict(agreement)))
    return records


def verdict_of(table: VerdictTable, label: RuleLabel) -> Verdict:
    """The judge's verdict on what a label is about."""
    return table.verdicts[label.answer.arm][label.row.id, label.answer.sample][label.rule]


def _decided(table: VerdictTable, label: RuleLabel) -> bool | None:
    return {"pass": True, "fail": False}.get(verdict_of(table, label).outcome)
