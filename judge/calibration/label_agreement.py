"""Agreement of the strict scores with people's labels of the logged answers.

People judged how helpful an answer is, the rules how far it obeys the prompt. Low agreement means
that the two differ, not which of them is wrong.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from data.records import Record
from data.rows import Row, question_key
from judge.calibration.variants import CODE_ONLY
from judge.labels import GoldLabel, Half
from judge.metrics.agreement import rater_agreement
from judge.metrics.verdict_table import STRICT, VerdictTable
from judge.records import RaterAgreement
from judge.verdict import Verdict

DISAGREEMENTS_LISTED = 40
_EXCERPT = 240  # characters of an answer


class VariantAgreement(Record):
    """A variant of the strict score: its must-rules, and its agreement on both halves.

    Where verdicts are missing, one broken rule decides a fail but nothing decides a pass: the
    decided answers are then a biased sample, and their agreement says little.
    """

    must_rules: tuple[str, ...]
    tune: RaterAgreement
    report: RaterAgreement


class RulePassCounts(Record):
    """How often good and bad answers pass one rule, on both halves: explains a low agreement."""

    rule: str
    must: bool
    good: int  # good answers on which the rule is decided
    good_passes: int
    bad: int
    bad_passes: int


class Disagreement(GoldLabel):
    """An answer on which the score and people differ."""

    half: Half
    score: str  # the strict score of the run where it is decided, else the code-only variant
    passes: bool
    broken: tuple[str, ...]  # must-rules
    excerpt: str


class GoldComparison(NamedTuple):
    """Gold labels and the scores that are compared with them."""

    gold: Sequence[GoldLabel]
    table: VerdictTable  # of all rules
    tables: dict[str, VerdictTable]  # by variant of the strict score; only those with must-rules
    halves: dict[str, Half]  # by row
    rows: dict[str, Row]
    seed: int

    def passes(self, variant: str, label: GoldLabel) -> bool | None:
        """The score of the labelled answer; None where it is undecided."""
        return self.tables[variant].strict[f"logged/{label.system}"][label.row, 0]

    def verdicts(self, label: GoldLabel) -> dict[str, Verdict]:
        """Rule id → its verdict on the labelled answer."""
        return self.table.verdicts[f"logged/{label.system}"][label.row, 0]


def variant_agreement(comparison: GoldComparison, variant: str) -> VariantAgreement:
    """The agreement of one variant of the strict score on both halves."""
    return VariantAgreement(
        must_rules=comparison.tables[variant].rules.must_rules,
        tune=_gold_agreement(comparison, variant, "tune"),
        report=_gold_agreement(comparison, variant, "report"),
    )


def _gold_agreement(comparison: GoldComparison, variant: str, half: Half) -> RaterAgreement:
    labels = [label for label in comparison.gold if comparison.halves[label.row] == half]
    decided = [
        (label.good, passes, question_key(comparison.rows[label.row]))
        for label in labels
        if (passes := comparison.passes(variant, label)) is not None
    ]
    good, passed, clusters = zip(*decided, strict=True) if decided else ((), (), ())
    missing = len(labels) - len(decided)
    return rater_agreement(good, passed, clusters, missing, comparison.seed)


def rule_pass_counts(comparison: GoldComparison) -> Iterator[RulePassCounts]:
    """Every rule that is decided on some answer with gold, in the order of the rule file."""
    for scored in comparison.table.rules.scored_rules():
        counts = Counter(
            (label.good, comparison.verdicts(label)[scored.id].outcome) for label in comparison.gold
        )
        good, bad = (counts[gold, "pass"] + counts[gold, "fail"] for gold in (True, False))
        if good or bad:
            yield RulePassCounts(
                rule=scored.id,
                must=scored.must,
                good=good,
                good_passes=counts[True, "pass"],
                bad=bad,
                bad_passes=counts[False, "pass"],
            )


def disagreements(comparison: GoldComparison) -> tuple[list[Disagreement], int]:
    """Up to DISAGREEMENTS_LISTED of them, and how many there are.

    First bad answers that pass, then good answers by the number of must-rules that they break.
    """
    labels = (_disagreement(comparison, label) for label in comparison.gold)
    differing = [disagreement for disagreement in labels if disagreement is not None]
    differing.sort(key=lambda disagreement: (not disagreement.passes, -len(disagreement.broken)))
    return differing[:DISAGREEMENTS_LISTED], len(differing)


def _disagreement(comparison: GoldComparison, label: GoldLabel) -> Disagreement | None:
    scores = {
        variant: passes
        for variant in (STRICT, CODE_ONLY)
        if variant in comparison.tables
        and (passes := comparison.passes(variant, label)) is not None
    }
    if not scores:
        return None
    variant, passes = next(iter(scores.items()))
    if passes == label.good:
        return None
    must_rules = comparison.tables[variant].rules.must_rules
    verdicts = comparison.verdicts(label)
    text = " ".join(comparison.rows[label.row].answers[label.system].split())
    return Disagreement(
        **label.model_dump(),
        half=comparison.halves[label.row],
        score=variant,
        passes=passes,
        broken=tuple(rule for rule in must_rules if verdicts[rule].outcome == "fail"),
        excerpt=text[:_EXCERPT],
    )
