"""Agreement of the useful scores with people's labels of the logged answers.

People judged how useful an answer is, so their labels are compared with the rules that the rule
file names in `useful`, not with the strict score: an answer may obey the prompt and help nobody.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from data.answers import Answer
from data.records import Record
from data.rows import Row, question_key
from judge.calibration.usefulness import alternative_scores
from judge.labels import GoldLabel, Half
from judge.metrics.agreement import rater_agreement
from judge.metrics.leave_one_out import leave_one_question_out
from judge.metrics.verdict_table import (
    USEFUL,
    USEFUL_BY_CODE,
    VerdictTable,
    is_useful,
    useful_rules,
)
from judge.records import RaterAgreement
from judge.verdict import Verdict
from prompts.prompt_file import Prompt

DISAGREEMENTS_LISTED = 40
_EXCERPT = 240  # characters of an answer


class UsefulAgreement(Record):
    """A useful score: its rules, and its agreement with people's labels.

    An answer counts where all of these rules that apply have a verdict.
    """

    rules: tuple[str, ...]
    tune: RaterAgreement  # on one half of the questions, to write the rules by
    report: RaterAgreement  # on the other half
    whole: RaterAgreement  # on both
    # on both, by rules and thresholds that were chosen without the question they are tested on
    left_out: RaterAgreement
    choices: dict[str, int]  # chosen score → questions, the most frequent first


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
    score: str  # the useful score where it is decided, else its part that code decides
    passes: bool
    broken: tuple[str, ...]  # rules of the score
    excerpt: str


@dataclass(frozen=True)
class GoldComparison:
    """Gold labels and the verdicts that are compared with them."""

    gold: Sequence[GoldLabel]
    table: VerdictTable
    halves: dict[str, Half]  # by row
    rows: dict[str, Row]
    prompt: Prompt
    seed: int

    @cached_property
    def passed(self) -> dict[str, dict[GoldLabel, bool]]:
        """Useful score → labelled answer → whether it passes, where that is decided."""
        by_score: dict[str, dict[GoldLabel, bool]] = {}
        for score in (USEFUL, USEFUL_BY_CODE):
            rules = useful_rules(self.table.rules, score)
            every = {label: is_useful(self.verdicts(label), rules) for label in self.gold}
            by_score[score] = {label: ok for label, ok in every.items() if ok is not None}
        return by_score

    @property
    def score(self) -> str:
        """The useful score that can be stated: by code alone where no model has judged."""
        return USEFUL if self.passed[USEFUL] else USEFUL_BY_CODE

    def verdicts(self, label: GoldLabel) -> dict[str, Verdict]:
        """Rule id → its verdict on the labelled answer."""
        return self.table.verdicts[f"logged/{label.system}"][label.row, 0]


def useful_agreements(comparison: GoldComparison) -> dict[str, UsefulAgreement]:
    """Useful score → its agreement; a score without a rule is left out."""
    return {
        score: _agreement(comparison, score)
        for score in (USEFUL, USEFUL_BY_CODE)
        if useful_rules(comparison.table.rules, score)
    }


def _agreement(comparison: GoldComparison, score: str) -> UsefulAgreement:
    rules = useful_rules(comparison.table.rules, score)
    passed = comparison.passed[score]
    answers = [_logged(comparison, label) for label in passed]
    scores = alternative_scores(answers, rules, comparison.table, comparison.prompt)
    gold = [label.good for label in passed]
    questions = [question_key(row) for row, _ in answers]
    chosen = leave_one_question_out(gold, scores, questions)
    missing = len(comparison.gold) - len(passed)
    return UsefulAgreement(
        rules=rules,
        tune=_rated(comparison, score, "tune"),
        report=_rated(comparison, score, "report"),
        whole=_rated(comparison, score),
        left_out=rater_agreement(gold, chosen.passed, questions, missing, comparison.seed),
        choices=chosen.choices,
    )


def _rated(comparison: GoldComparison, score: str, half: Half | None = None) -> RaterAgreement:
    """On one half of the questions, or on all."""
    labels = [label for label in comparison.gold if half in (None, comparison.halves[label.row])]
    passed = comparison.passed[score]
    decided = [label for label in labels if label in passed]
    return rater_agreement(
        [label.good for label in decided],
        [passed[label] for label in decided],
        [question_key(comparison.rows[label.row]) for label in decided],
        len(labels) - len(decided),
        comparison.seed,
    )


def _logged(comparison: GoldComparison, label: GoldLabel) -> tuple[Row, Answer]:
    row = comparison.rows[label.row]
    return row, Answer.from_text(f"logged/{label.system}", row.id, row.answers[label.system])


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

    First bad answers that pass, then good answers by the number of its rules that they break.
    """
    labels = (_disagreement(comparison, label) for label in comparison.gold)
    differing = [disagreement for disagreement in labels if disagreement is not None]
    differing.sort(key=lambda disagreement: (not disagreement.passes, -len(disagreement.broken)))
    return differing[:DISAGREEMENTS_LISTED], len(differing)


def _disagreement(comparison: GoldComparison, label: GoldLabel) -> Disagreement | None:
    score = comparison.score
    passes = comparison.passed[score].get(label)
    if passes is None or passes == label.good:
        return None
    rules = useful_rules(comparison.table.rules, score)
    verdicts = comparison.verdicts(label)
    text = " ".join(comparison.rows[label.row].answers[label.system].split())
    return Disagreement(
        **label.model_dump(),
        half=comparison.halves[label.row],
        score=score,
        passes=passes,
        broken=tuple(rule for rule in rules if verdicts[rule].outcome == "fail"),
        excerpt=text[:_EXCERPT],
    )
