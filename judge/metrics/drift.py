"""How the hidden rows and the answers to them differ from val, with what needs no label.

A rate on rows that nobody labelled is worth as much as these rows are like those of val.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import NamedTuple

from data.answers import Answer
from data.rows import Row
from judge.checks.applicability import applicable, asks_model, needs_label
from judge.checks.check import normalised_answer
from judge.checks.text import words
from judge.metrics.interval import Interval, Measurement
from judge.metrics.stats import clustered_interval, independent_difference, rate
from judge.metrics.verdict_table import LABEL_FREE, VerdictTable
from judge.records import DistributionShift
from prompts.rules import ScoredRule


class AnsweredSplit(NamedTuple):
    """One split as it was answered and judged."""

    rows: Sequence[Row]
    answers: Sequence[Answer]
    table: VerdictTable


class _Measure(NamedTuple):
    n: int
    interval: Interval | None  # None: too few observations


def distribution_shifts(val: AnsweredSplit, hidden: AnsweredSplit) -> Iterator[DistributionShift]:
    """Hidden against val: how often rules are due, then length and rates, arm by arm.

    Both were judged by the same rules. A measure that one of the two does not decide is left out.
    """
    free = [due for due in val.table.rules.scored_rules() if not needs_label(due.rule)]
    for due in free:
        if due.rule.applies != "always" and not due.converse:
            yield from _drift(None, f"applicable: {due.id}", _due(val, due), _due(hidden, due))
    for arm in val.table.verdicts:
        if arm not in hidden.table.verdicts:
            continue
        yield from _drift(arm, "words", _length(val, arm), _length(hidden, arm))
        for what in (LABEL_FREE, *(due.id for due in free)):
            yield from _drift(arm, what, _rate(val, arm, what), _rate(hidden, arm, what))


def _drift(
    arm: str | None, what: str, val: _Measure, hidden: _Measure
) -> Iterator[DistributionShift]:
    if val.interval is None or hidden.interval is None:
        return
    difference = independent_difference(hidden.interval, val.interval)
    yield DistributionShift(
        arm=arm,
        what=what,
        val=Measurement(**asdict(val.interval), n=val.n),
        hidden=Measurement(**asdict(hidden.interval), n=hidden.n),
        difference=difference.value,
        low=difference.low,
        high=difference.high,
    )


def _due(side: AnsweredSplit, due: ScoredRule) -> _Measure:
    """Share of rows on which the rule is due."""
    if asks_model(due.rule):  # the verdicts of any arm tell: the model saw no answer
        found = {
            row: by_rule[due.id].outcome != "not_applicable"
            for units in side.table.verdicts.values()
            for (row, _), by_rule in units.items()
            if by_rule[due.id].outcome != "missing"
        }
        clusters = [side.table.questions[row] for row in found]
        return _Measure(len(found), rate(list(found.values()), clusters))
    decided = [(row, applicable(due.rule, row)) for row in side.rows]
    clusters = [side.table.questions[row.id] for row, _ in decided]
    return _Measure(len(decided), rate([bool(holds) for _, holds in decided], clusters))


def _length(side: AnsweredSplit, arm: str) -> _Measure:
    """Words per answer, without footer and prefix."""
    normalise = side.table.rules.normalise
    asked = [one for one in side.answers if one.arm == arm and one.finish != "too_long"]
    lengths = [float(len(words(normalised_answer(one.text, normalise)))) for one in asked]
    clusters = [side.table.questions[one.row] for one in asked]
    return _Measure(len(asked), clustered_interval(lengths, clusters) if asked else None)


def _rate(side: AnsweredSplit, arm: str, what: str) -> _Measure:
    decided = side.table.decided(arm, what)
    found = rate(list(decided.values()), side.table.clusters(decided))
    return _Measure(len(decided), found)
