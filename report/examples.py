"""Chooses the rows whose answers are shown side by side.

For each reason the first row in the order of val is taken, so nothing is picked by eye.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

from data.answers import Answer
from data.rows import Row
from judge.records import BASE, TEACHER
from judge.verdict import Outcome, Verdict
from prompts.rules import ScoredRule
from report.run_files import RunFiles

MOST = 8  # rows shown


@dataclass(frozen=True)
class ShownAnswer:
    """One arm's answer to the row of an example."""

    arm: str
    answer: Answer | None
    verdicts: tuple[Verdict, ...]  # of the applicable rules, in the rule file's order


@dataclass(frozen=True)
class ShownExample:
    """A row with the answers of base, teacher and student."""

    reason: str
    row: Row
    answers: tuple[ShownAnswer, ...]

    @property
    def contexts(self) -> list[tuple[str, bool]]:
        """The row's passages, each with whether every arm saw it."""
        dropped = max((shown.answer.dropped for shown in self.answers if shown.answer), default=0)
        visible = len(self.row.contexts) - dropped
        return [(context.text, at < visible) for at, context in enumerate(self.row.contexts)]


_RowsByOutcome = defaultdict[tuple[str, str, Outcome], set[str]]  # by arm, rule and outcome


def choose_examples(material: RunFiles) -> tuple[ShownExample, ...]:
    """At most eight rows; none when the run has no chosen student or no verdicts."""
    if material.student is None or material.verdicts is None or not material.rows:
        return ()
    rows = {row.id: row for row in material.rows}
    verdicts = {
        (verdict.arm, verdict.row, verdict.rule): verdict
        for verdict in material.verdicts
        if verdict.sample == 0 and verdict.row in rows
    }
    by_outcome: _RowsByOutcome = defaultdict(set)
    for (arm, row_id, rule), verdict in verdicts.items():
        by_outcome[arm, rule, verdict.outcome].add(row_id)
    rules = material.rules.scored_rules()
    chosen: dict[str, str] = {}  # row id → reason
    for reason, having in _reasons(material.student, rules, by_outcome):
        first = next((row for row in rows if row in having and row not in chosen), None)
        if first is not None and len(chosen) < MOST:
            chosen[first] = reason

    def show(arm: str, row: str) -> ShownAnswer:
        answers = {
            answer.row: answer for answer in material.answers.get(arm, ()) if answer.sample == 0
        }
        by_rule = (verdicts.get((arm, row, scored.id)) for scored in rules)
        applicable = (v for v in by_rule if v and v.outcome != "not_applicable")
        return ShownAnswer(arm, answers.get(row), tuple(applicable))

    arms = (BASE, TEACHER, material.student)
    return tuple(
        ShownExample(reason, rows[row], tuple(show(arm, row) for arm in arms))
        for row, reason in chosen.items()
    )


def _reasons(
    student: str, rules: tuple[ScoredRule, ...], rows: _RowsByOutcome
) -> Iterator[tuple[str, set[str]]]:
    """Reasons with the rows that have them: kinds of questions, then failures and gains in turn.

    Failures and gains on many rows come first.
    """
    special = [scored for scored in rules if scored.rule.converse and not scored.converse]
    if special:  # such as a refusal
        ordinary = (rows[student, scored.id, "not_applicable"] for scored in special)
        yield "An ordinary question: no special rule applies", set.intersection(*ordinary)
    for scored in special:
        if scored.must:
            applies = rows[student, scored.id, "pass"] | rows[student, scored.id, "fail"]
            yield f"The rule “{scored.id}” applies", applies
    must = [scored.id for scored in rules if scored.must]
    failures = [(f"The student breaks “{rule}”", rows[student, rule, "fail"]) for rule in must]
    gains = [
        (
            f"The student obeys “{rule}”, the base does not",
            rows[student, rule, "pass"] & rows[BASE, rule, "fail"],
        )
        for rule in must
    ]
    for reasons in (failures, gains):
        reasons.sort(key=lambda reason: len(reason[1]), reverse=True)
    yield from filter(None, chain.from_iterable(zip_longest(failures, gains)))
