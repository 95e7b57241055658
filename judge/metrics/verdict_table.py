"""Verdicts by arm, answer and rule, and the strict score of each answer.

Decides which answers pass as a whole; leaves comparisons to the other metrics.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from config.errors import DataError
from data.rows import Row, question_clusters
from judge.checks.applicability import needs_label
from judge.metrics.interval import Interval
from judge.metrics.stats import rate
from judge.verdict import Verdict
from prompts.rules import RuleFile

STRICT = "strict"
LABEL_FREE = "strict without labels"  # over the must-rules that need no label; never a rule's id

AnswerKey = tuple[str, int]  # row id and sample: one answer of an arm


def strict(verdicts: Iterable[Verdict], must_rules: Collection[str]) -> bool | None:
    """Whether one answer passes every must-rule; None when a missing verdict leaves it open.

    False when any must-rule fails, even if other verdicts are missing.
    """
    outcomes = {verdict.outcome for verdict in verdicts if verdict.rule in must_rules}
    if "fail" in outcomes:
        return False
    return None if "missing" in outcomes else True


@dataclass(frozen=True)
class VerdictTable:
    """The verdicts of several arms: every scored rule has one on every answer of its arm."""

    rules: RuleFile
    questions: dict[str, str]  # row id → normalised question, by which answers are clustered
    verdicts: dict[str, dict[AnswerKey, dict[str, Verdict]]]  # arm → answer → rule id → verdict
    strict: dict[str, dict[AnswerKey, bool | None]]  # arm → answer → strict score
    label_free: dict[str, dict[AnswerKey, bool | None]]  # the same over rules that need no label

    @property
    def students(self) -> list[str]:
        """The arms that are students."""
        return [arm for arm in self.verdicts if arm.startswith("student/")]

    def decided(self, arm: str, score: str) -> dict[AnswerKey, bool]:
        """Answer → passed, where `score` (STRICT, LABEL_FREE or a rule id) is decided."""
        if score in (STRICT, LABEL_FREE):
            scores = self.strict if score == STRICT else self.label_free
            return {key: passed for key, passed in scores[arm].items() if passed is not None}
        return {
            key: by_rule[score].outcome == "pass"
            for key, by_rule in self.verdicts[arm].items()
            if by_rule[score].outcome in ("pass", "fail")
        }

    def clusters(self, keys: Iterable[AnswerKey]) -> list[str]:
        """The question of each answer."""
        return [self.questions[row] for row, _ in keys]

    def rate(self, decided: Mapping[AnswerKey, bool]) -> Interval | None:
        """The pass rate of these answers, clustered by question; None without answers."""
        return rate(list(decided.values()), self.clusters(decided))


def build_verdict_table(
    rules: RuleFile, rows: Sequence[Row], verdicts: Iterable[Verdict]
) -> VerdictTable:
    """The table of these verdicts; of two on the same answer and rule, the later counts.

    A rule without a verdict on an answer that others judged is missing as `not_run`. Raises
    DataError when a verdict names an unknown row or rule.
    """
    by_row = question_clusters(rows)
    scored = {rule.id: rule for rule in rules.scored_rules()}
    arms: dict[str, dict[AnswerKey, dict[str, Verdict]]] = {}
    for verdict in verdicts:
        _refuse_unknown(verdict, by_row, scored)
        key = (verdict.row, verdict.sample)
        arms.setdefault(verdict.arm, {}).setdefault(key, {})[verdict.rule] = verdict
    for arm, answers in arms.items():
        for (row, sample), by_rule in answers.items():
            for rule in scored:
                by_rule.setdefault(rule, _not_run(arm, row, sample, rule))
    must = rules.must_rules
    label_free = [rule for rule in must if not needs_label(scored[rule].rule)]
    return VerdictTable(
        rules,
        by_row,
        arms,
        {arm: _strict_scores(answers, must) for arm, answers in arms.items()},
        {arm: _strict_scores(answers, label_free) for arm, answers in arms.items()},
    )


def _strict_scores(
    answers: dict[AnswerKey, dict[str, Verdict]], must: Collection[str]
) -> dict[AnswerKey, bool | None]:
    """The strict score of each answer of an arm over the rules `must`.

    None for all of them without such a rule, or when one rule is unlabelled on every answer: an
    answer could then fail but never pass, and the rate of decided answers would always be 0.
    """
    never_labelled = any(
        all(by_rule[rule].reason == "unlabelled" for by_rule in answers.values()) for rule in must
    )
    if never_labelled or not must:
        return dict.fromkeys(answers)
    return {key: strict(by_rule.values(), must) for key, by_rule in answers.items()}


def _not_run(arm: str, row: str, sample: int, rule: str) -> Verdict:
    return Verdict(arm=arm, row=row, sample=sample, rule=rule, outcome="missing", reason="not_run")


def _refuse_unknown(verdict: Verdict, rows: Collection[str], rules: Collection[str]) -> None:
    if verdict.row not in rows:
        raise DataError(
            f"verdict of arm {verdict.arm}: row {verdict.row!r} is not among the rows; "
            "score the rows that were answered"
        )
    if verdict.rule not in rules:
        raise DataError(
            f"verdict on row {verdict.row}: rule {verdict.rule!r} is not in the rule file; "
            "judge again with the present rules"
        )
