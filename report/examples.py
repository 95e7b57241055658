"""Chooses the rows whose answers are shown side by side.

For each reason the first row in the order of val is taken, so nothing is picked by eye.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

from data.answers import Answer
from data.rows import Row
from judge.records import BASE, TEACHER
from judge.verdict import Outcome, Verdict
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


Reason = tuple[str, Callable[[str], bool]]  # in words, and whether a row (by id) has it


def choose_examples(material: RunFiles) -> tuple[ShownExample, ...]:
    """At most eight rows; none when the run has no chosen student or no verdicts."""
    if material.student is None or material.verdicts is None or not material.rows:
        return ()
    verdicts = _Verdicts(material, material.student)
    rows = {row.id: row for row in material.rows}
    chosen: dict[str, str] = {}  # row id → reason
    for reason, has_reason in verdicts.reasons(list(rows)):
        row_id = next((row for row in rows if row not in chosen and has_reason(row)), None)
        if row_id is not None and len(chosen) < MOST:
            chosen[row_id] = reason
    arms = (BASE, TEACHER, material.student)
    return tuple(
        ShownExample(reason, rows[row], tuple(verdicts.shown(arm, row) for arm in arms))
        for row, reason in chosen.items()
    )


class _Verdicts:
    """The verdicts on the first answer of each arm to each row."""

    def __init__(self, material: RunFiles, student: str) -> None:
        self._material, self._student = material, student
        self._rules = material.rules.scored_rules()
        self._verdicts: dict[tuple[str, str], dict[str, Verdict]] = defaultdict(dict)
        for verdict in material.verdicts or ():
            if verdict.sample == 0:
                self._verdicts[verdict.arm, verdict.row][verdict.rule] = verdict

    def reasons(self, rows: list[str]) -> Iterator[Reason]:
        """In order of interest: kinds of questions, then failures and gains in turn.

        Reasons that hold on many rows come first.
        """

        def rarity(reason: Reason) -> int:
            return -sum(map(reason[1], rows))

        yield from self._kinds()
        must = [scored.id for scored in self._rules if scored.must]
        failures = sorted(map(self._failure, must), key=rarity)
        gains = sorted(map(self._gain, must), key=rarity)
        yield from filter(None, chain.from_iterable(zip_longest(failures, gains)))

    def _kinds(self) -> Iterator[Reason]:
        """An ordinary question, and one for each rule that has a converse, such as a refusal."""
        special = [scored for scored in self._rules if scored.rule.converse and not scored.converse]

        def ordinary(row: str) -> bool:
            outcomes = {self._outcome(self._student, row, scored.id) for scored in special}
            return outcomes == {"not_applicable"}

        yield "An ordinary question: no special rule applies", ordinary
        for scored in special:
            if scored.must:
                yield f"The rule “{scored.id}” applies", self._applies(scored.id)

    def _applies(self, rule: str) -> Callable[[str], bool]:
        return lambda row: self._outcome(self._student, row, rule) in ("pass", "fail")

    def _failure(self, rule: str) -> Reason:
        return (
            f"The student breaks “{rule}”",
            lambda row: self._outcome(self._student, row, rule) == "fail",
        )

    def _gain(self, rule: str) -> Reason:
        return (
            f"The student obeys “{rule}”, the base does not",
            lambda row: (
                self._outcome(self._student, row, rule) == "pass"
                and self._outcome(BASE, row, rule) == "fail"
            ),
        )

    def _outcome(self, arm: str, row: str, rule: str) -> Outcome | None:
        verdict = self._verdicts[arm, row].get(rule)
        return verdict.outcome if verdict else None

    def shown(self, arm: str, row: str) -> ShownAnswer:
        """An arm's answer to a row, and the verdicts on it."""
        answers = [
            answer
            for answer in self._material.answers.get(arm, ())
            if (answer.row, answer.sample) == (row, 0)
        ]
        by_rule = self._verdicts[arm, row]
        verdicts = [by_rule[scored.id] for scored in self._rules if scored.id in by_rule]
        applicable = tuple(verdict for verdict in verdicts if verdict.outcome != "not_applicable")
        return ShownAnswer(arm, answers[-1] if answers else None, applicable)
