"""Chooses the rows that are shown side by side: what was asked for, what was gained, what is lost.

Knows which rows tell something; leaves how they are shown to the templates. The first row in the
order of val is taken for each reason, so nothing is picked by eye.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, zip_longest

from data.answers import Answer
from data.rows import Row
from judge.verdict import Outcome, Verdict
from prompts.rules import ScoredRule
from report.gather import BASE, TEACHER, RunFiles

MOST = 8  # rows shown

ExampleVerdicts = Mapping[
    tuple[str, str], Mapping[str, Verdict]
]  # (arm, row id) → rule id → verdict


@dataclass(frozen=True)
class Said:
    """One arm's answer to the row of an example."""

    arm: str
    answer: Answer | None
    verdicts: tuple[Verdict, ...]  # of the rules that were due, in the rule file's order


@dataclass(frozen=True)
class ShownExample:
    """A row with the answers of base, teacher and student."""

    reason: str
    row: Row
    said: tuple[Said, ...]


def choose_examples(material: RunFiles) -> tuple[ShownExample, ...]:
    """At most eight rows; none when the run has no chosen student or no verdicts."""
    if material.student is None or material.verdicts is None or not material.rows:
        return ()
    board: dict[tuple[str, str], dict[str, Verdict]] = {}
    for verdict in material.verdicts:
        if verdict.sample == 0:
            board.setdefault((verdict.arm, verdict.row), {})[verdict.rule] = verdict
    chosen: dict[str, str] = {}  # row id → reason
    for reason, wanted in _wanted(material, board, material.student):
        found = next((r.id for r in material.rows if r.id not in chosen and wanted(r.id)), None)
        if found is not None and len(chosen) < MOST:
            chosen[found] = reason
    rows = {row.id: row for row in material.rows}
    return tuple(_example(material, board, rows[row], why) for row, why in chosen.items())


Wanted = tuple[str, Callable[[str], bool]]


def _wanted(material: RunFiles, board: ExampleVerdicts, student: str) -> Iterator[Wanted]:
    """Reasons in order of interest: kinds of questions, then failures and gains by turns.

    What happens on many rows comes before what happens on few.
    """
    due = tuple(one for one in material.rules.scored_rules() if one.must)
    rows = [row.id for row in material.rows or ()]

    def common(wanted: Wanted) -> int:
        return -sum(map(wanted[1], rows))

    yield from _kinds(material.rules.scored_rules(), board, student)
    fails = sorted((_fails(one.id, board, student) for one in due), key=common)
    gains = sorted((_gains(one.id, board, student) for one in due), key=common)
    turns = chain.from_iterable(zip_longest(fails, gains))
    yield from (one for one in turns if one is not None)


def _kinds(due: tuple[ScoredRule, ...], board: ExampleVerdicts, student: str) -> Iterator[Wanted]:
    """An ordinary question, and one for each rule that has a converse, such as a refusal."""
    special = {one.id for one in due if one.rule.converse and not one.converse}

    def ordinary(row: str) -> bool:
        outcomes = {_outcome(board, student, row, rule) for rule in special}
        return bool(special) and outcomes == {"not_applicable"}

    yield "An ordinary question: no special rule is due", ordinary
    for one in due:
        if one.id in special and one.must:
            yield f"The rule “{one.id}” is due", _is_due(one.id, board, student)


def _is_due(rule: str, board: ExampleVerdicts, student: str) -> Callable[[str], bool]:
    return lambda row: _outcome(board, student, row, rule) in ("pass", "fail")


def _fails(rule: str, board: ExampleVerdicts, student: str) -> Wanted:
    return (
        f"The student breaks “{rule}”",
        lambda row: _outcome(board, student, row, rule) == "fail",
    )


def _gains(rule: str, board: ExampleVerdicts, student: str) -> Wanted:
    return (
        f"The student obeys “{rule}”, the base does not",
        lambda row: (
            _outcome(board, student, row, rule) == "pass"
            and _outcome(board, BASE, row, rule) == "fail"
        ),
    )


def _outcome(board: ExampleVerdicts, arm: str, row: str, rule: str) -> Outcome | None:
    verdict = board.get((arm, row), {}).get(rule)
    return verdict.outcome if verdict else None


def _example(material: RunFiles, board: ExampleVerdicts, row: Row, reason: str) -> ShownExample:
    student = material.student
    assert student is not None  # checked where the rows were chosen
    return ShownExample(
        reason, row, tuple(_said(material, board, arm, row) for arm in (BASE, TEACHER, student))
    )


def _said(material: RunFiles, board: ExampleVerdicts, arm: str, row: Row) -> Said:
    answers = [a for a in material.answers.get(arm, ()) if (a.row, a.sample) == (row.id, 0)]
    verdicts = board.get((arm, row.id), {})
    order = [due.id for due in material.rules.scored_rules()]
    shown = tuple(
        verdicts[rule]
        for rule in order
        if rule in verdicts and verdicts[rule].outcome != "not_applicable"
    )
    return Said(arm, answers[-1] if answers else None, shown)
