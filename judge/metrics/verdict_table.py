"""Verdicts by arm, answer and rule, and the strict score of each answer.

Decides which answers pass as a whole; leaves comparisons to the other metrics.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from config.errors import DataError
from data.rows import Row, question_clusters
from judge.checks.applicability import by_model, needs_label
from judge.choice_correction import ChoiceCorrection
from judge.metrics.interval import Interval
from judge.metrics.stats import rate
from judge.verdict import Verdict
from prompts.rules import RuleFile, ScoredRule

# Names of the strict scores, by the must-rules that they count; never a rule's id.
STRICT = "strict"
LABEL_FREE = "strict without labels"  # the must-rules that need no label
# The must-rules in whose verdicts no language model takes part. Students are chosen by this score.
BY_CODE = "strict by the rules in code"
BY_CODE_LABEL_FREE = "strict without labels by the rules in code"

# Names of the useful scores: by the rules in `useful` of the rule file, and by those in code alone.
# People's labels judge how useful an answer is, so they are compared with these.
USEFUL = "useful"
USEFUL_BY_CODE = "useful by the rules in code"

AnswerKey = tuple[str, int]  # row id and sample: one answer of an arm


def strict(verdicts: Iterable[Verdict], must_rules: Collection[str]) -> bool | None:
    """Whether one answer passes every must-rule; None when a missing verdict leaves it open.

    False when any must-rule fails, even if other verdicts are missing. A rate needs
    `complete_strict`.
    """
    outcomes = {verdict.outcome for verdict in verdicts if verdict.rule in must_rules}
    if "fail" in outcomes:
        return False
    return None if "missing" in outcomes else True


def complete_strict(verdicts: Iterable[Verdict], must_rules: Collection[str]) -> bool | None:
    """Whether one answer passes every must-rule; None when any of their verdicts is missing.

    One fail decides an answer and a pass needs all verdicts. A rate over all decided answers would
    count fails with missing verdicts and leave out passes with missing ones: it would be too low.
    """
    counted = [verdict for verdict in verdicts if verdict.rule in must_rules]
    if any(verdict.outcome == "missing" for verdict in counted):
        return None
    return strict(counted, must_rules)


def is_useful(by_rule: Mapping[str, Verdict], counted: Collection[str]) -> bool | None:
    """Whether one answer passes every rule of a useful score, from its verdicts by rule id.

    None where a verdict is missing, and where none of the rules applies.
    """
    applying = [by_rule[rule] for rule in counted if by_rule[rule].outcome != "not_applicable"]
    return complete_strict(applying, counted) if applying else None


class StrictAnswer(NamedTuple):
    """One of the strict scores of an answer."""

    decided: bool | None  # by `complete_strict`: what rates are made of
    certain: bool | None  # by `strict`: False is certain, whatever the missing verdicts are


@dataclass(frozen=True)
class VerdictTable:
    """The verdicts of several arms: every scored rule has one on every answer of its arm."""

    rules: RuleFile
    questions: dict[str, str]  # row id → normalised question, by which answers are clustered
    verdicts: dict[str, dict[AnswerKey, dict[str, Verdict]]]  # arm → answer → rule id → verdict
    # name of a strict score → arm → answer
    scores: dict[str, dict[str, dict[AnswerKey, StrictAnswer]]]
    choice: ChoiceCorrection | None = None  # corrects the strict scores of the best student

    @property
    def students(self) -> list[str]:
        """The arms that are students."""
        return [arm for arm in self.verdicts if arm.startswith("student/")]

    def decided(self, arm: str, score: str) -> dict[AnswerKey, bool]:
        """Answer → passed, where `score` (a strict or useful score, or a rule id) is decided."""
        if score in (USEFUL, USEFUL_BY_CODE):
            counted = useful_rules(self.rules, score)
            useful = {key: is_useful(by, counted) for key, by in self.verdicts[arm].items()}
            return {key: passed for key, passed in useful.items() if passed is not None}
        if score in self.scores:
            answers = self.strict_answers(arm, score)
            return {
                key: answer.decided for key, answer in answers.items() if answer.decided is not None
            }
        return {
            key: by_rule[score].outcome == "pass"
            for key, by_rule in self.verdicts[arm].items()
            if by_rule[score].outcome in ("pass", "fail")
        }

    def strict_answers(self, arm: str, score: str) -> dict[AnswerKey, StrictAnswer]:
        """A strict score of an arm's answers, of the best student to the rows that score it."""
        answers, choice = self.scores[score][arm], self.choice
        if choice is None or choice.unseen is None or arm != choice.student:
            return answers
        unseen = frozenset(choice.unseen)
        return {key: answer for key, answer in answers.items() if key[0] in unseen}

    def unanswered(self, arm: str, rows: Collection[str] | None = None) -> int:
        """The number of these rows, or of all that score the arm, that it has no answer to."""
        expected = set(self.questions if rows is None else rows)
        if (
            self.choice is not None
            and self.choice.unseen is not None
            and arm == self.choice.student
        ):
            expected &= set(self.choice.unseen)
        return len(expected.difference(row for row, _ in self.verdicts[arm]))

    def optimism(self, arm: str, score: str) -> float:
        """The share by which the arm's rate of `score` is too high, because it was chosen by it."""
        corrected = self.choice is not None and arm == self.choice.student and score in self.scores
        return self.choice.optimism if corrected and self.choice is not None else 0.0

    def clusters(self, keys: Iterable[AnswerKey]) -> list[str]:
        """The question of each answer."""
        return [self.questions[row] for row, _ in keys]

    def rate(self, decided: Mapping[AnswerKey, bool], optimism: float = 0.0) -> Interval | None:
        """The pass rate of these answers, clustered by question, less `optimism`."""
        return rate(list(decided.values()), self.clusters(decided), optimism)

    def headline(self, arms: Iterable[str], needs_labels: bool = True) -> str:
        """The strict score that can be stated for all of these arms.

        It is STRICT, or LABEL_FREE for rows without labels; by the rules in code where, for one of
        the arms, no answer has all verdicts of a language model.
        """
        names = (STRICT, BY_CODE) if needs_labels else (LABEL_FREE, BY_CODE_LABEL_FREE)
        judged = [arm for arm in arms if arm in self.verdicts]
        stated = [name for name in names if all(self.decided(arm, name) for arm in judged)]
        return stated[0] if stated else names[0]


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
    counted = _counted_rules(list(scored.values()))
    return VerdictTable(
        rules,
        by_row,
        arms,
        {
            name: {arm: _strict_answers(answers, must) for arm, answers in arms.items()}
            for name, must in counted.items()
        },
    )


def useful_rules(rules: RuleFile, score: str) -> tuple[str, ...]:
    """The rules that a useful score counts, in the order of the rule file."""
    return tuple(
        scored.id
        for scored in rules.scored_rules()
        if scored.id in rules.useful and (score == USEFUL or not by_model(scored))
    )


def _counted_rules(scored: Sequence[ScoredRule]) -> dict[str, list[str]]:
    """Name of a strict score → the must-rules that it counts."""
    must = [rule for rule in scored if rule.must]
    by_code = [rule for rule in must if not by_model(rule)]
    rules = {
        STRICT: must,
        LABEL_FREE: [rule for rule in must if not needs_label(rule.rule)],
        BY_CODE: by_code,
        BY_CODE_LABEL_FREE: [rule for rule in by_code if not needs_label(rule.rule)],
    }
    return {name: [rule.id for rule in counted] for name, counted in rules.items()}


def _strict_answers(
    answers: dict[AnswerKey, dict[str, Verdict]], must: Collection[str]
) -> dict[AnswerKey, StrictAnswer]:
    """A strict score of each answer of an arm; undecided without a rule to count."""
    if not must:
        return dict.fromkeys(answers, StrictAnswer(None, None))
    return {
        key: StrictAnswer(*(score(by_rule.values(), must) for score in (complete_strict, strict)))
        for key, by_rule in answers.items()
    }


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
