"""All verdicts in reach of the tables: by arm, by answer, by rule; and the strict score of each.

Knows what makes a row pass; leaves intervals and comparisons to others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from config.errors import DataError
from data.rows import Row, question_clusters
from judge.checks.applicability import needs_label
from judge.verdict import Verdict
from prompts.rules import RuleFile

STRICT = "strict"
DECIDABLE = "strict without labels"  # over the must-rules that need no label; never a rule's id

AnswerKey = tuple[str, int]  # row id and sample: one answer of an arm


def strict(verdicts: Iterable[Verdict], rules: RuleFile) -> bool | None:
    """Whether one answer passes every must-rule; None when a missing verdict leaves it open.

    False when any must-rule fails, whatever is missing beside it.
    """
    must = set(rules.must_rules)
    return _strict(verdicts, must)


def _strict(verdicts: Iterable[Verdict], must: set[str]) -> bool | None:
    outcomes = {verdict.outcome for verdict in verdicts if verdict.rule in must}
    if "fail" in outcomes:
        return False
    return None if "missing" in outcomes else True


@dataclass(frozen=True)
class VerdictTable:
    """The verdicts of several arms. Every due rule has a verdict on every unit of its arm."""

    rules: RuleFile
    questions: dict[str, str]  # row id → normalised question: what rows are clustered by
    verdicts: dict[str, dict[AnswerKey, dict[str, Verdict]]]  # arm → unit → rule id → verdict
    strict: dict[str, dict[AnswerKey, bool | None]]  # arm → unit → strict score
    decidable: dict[str, dict[AnswerKey, bool | None]]  # the same over rules that need no label

    def decided(self, arm: str, what: str) -> dict[AnswerKey, bool]:
        """Unit → passed, where `what` (STRICT, DECIDABLE or a rule id) is decided."""
        if what in (STRICT, DECIDABLE):
            scores = self.strict if what == STRICT else self.decidable
            return {unit: ok for unit, ok in scores[arm].items() if ok is not None}
        return {
            unit: by_rule[what].outcome == "pass"
            for unit, by_rule in self.verdicts[arm].items()
            if by_rule[what].outcome in ("pass", "fail")
        }

    def clusters(self, units: Iterable[AnswerKey]) -> list[str]:
        """The question of each unit."""
        return [self.questions[row] for row, _ in units]


def build_verdict_table(
    rules: RuleFile, rows: Sequence[Row], verdicts: Iterable[Verdict]
) -> VerdictTable:
    """The board of these verdicts; of two on the same answer and rule, the later counts.

    A rule without a verdict on an answer that others judged is missing as `not_run`. Raises
    DataError when a verdict names a row or a rule that is not there.
    """
    asked = question_clusters(rows)
    ids = [due.id for due in rules.scored_rules()]
    known = set(ids)
    arms: dict[str, dict[AnswerKey, dict[str, Verdict]]] = {}
    for verdict in verdicts:
        _known(verdict, asked, known)
        unit = (verdict.row, verdict.sample)
        arms.setdefault(verdict.arm, {}).setdefault(unit, {})[verdict.rule] = verdict
    for arm, units in arms.items():
        for (row, sample), by_rule in units.items():
            for rule in ids:
                by_rule.setdefault(rule, _not_run(arm, row, sample, rule))
    must = set(rules.must_rules)
    free = {due.id for due in rules.scored_rules() if due.must and not needs_label(due.rule)}
    return VerdictTable(
        rules,
        asked,
        arms,
        {arm: _strict_of(units, must) for arm, units in arms.items()},
        {arm: _strict_of(units, free) for arm, units in arms.items()},
    )


def _strict_of(
    units: dict[AnswerKey, dict[str, Verdict]], must: set[str]
) -> dict[AnswerKey, bool | None]:
    """The strict score of each unit of an arm over the rules `must`.

    None for all of them when there is no such rule, or when one is unlabelled on every unit: an
    answer could then fail but never pass, and the rate of the decided ones would be 0 by
    construction.
    """
    blind = any(
        all(by_rule[rule].reason == "unlabelled" for by_rule in units.values()) for rule in must
    )
    if blind or not must:
        return dict.fromkeys(units)
    return {unit: _strict(by_rule.values(), must) for unit, by_rule in units.items()}


def _not_run(arm: str, row: str, sample: int, rule: str) -> Verdict:
    return Verdict(arm=arm, row=row, sample=sample, rule=rule, outcome="missing", reason="not_run")


def _known(verdict: Verdict, rows: dict[str, str], rules: set[str]) -> None:
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
