"""Distribution shift: how the hidden rows and the answers to them differ from val.

Uses only measures that need no label. The more the rows differ, the less a rate on the hidden rows
says about val.
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
    """The rows of a split, the answers to them, and their verdicts."""

    rows: Sequence[Row]
    answers: Sequence[Answer]
    table: VerdictTable


def distribution_shifts(val: AnsweredSplit, hidden: AnsweredSplit) -> Iterator[DistributionShift]:
    """Hidden − val: how often each rule applies, then answer length and pass rates by arm.

    Both splits must be judged by the same rules. A measure that is undecided on one is left out.
    """
    rules = val.table.rules.scored_rules()
    label_free = [scored for scored in rules if not needs_label(scored.rule)]
    for scored in label_free:
        if scored.rule.applies != "always" and not scored.converse:
            on_val, on_hidden = _applicability(val, scored), _applicability(hidden, scored)
            yield from _shift(None, f"applicable: {scored.id}", on_val, on_hidden)
    for arm in val.table.verdicts:
        if arm not in hidden.table.verdicts:
            continue
        yield from _shift(arm, "words", _length(val, arm), _length(hidden, arm))
        for score in (LABEL_FREE, *(scored.id for scored in label_free)):
            yield from _shift(arm, score, _rate(val, arm, score), _rate(hidden, arm, score))


def _shift(
    arm: str | None, what: str, val: Measurement | None, hidden: Measurement | None
) -> Iterator[DistributionShift]:
    if val is None or hidden is None:
        return
    difference = independent_difference(hidden, val)
    yield DistributionShift(
        arm=arm,
        what=what,
        val=val,
        hidden=hidden,
        difference=difference.value,
        low=difference.low,
        high=difference.high,
    )


def _measurement(interval: Interval | None, n: int) -> Measurement | None:
    return None if interval is None else Measurement(**asdict(interval), n=n)


def _applicability(split: AnsweredSplit, scored: ScoredRule) -> Measurement | None:
    """Share of rows to which the rule applies."""
    if asks_model(scored.rule):  # the same in the verdicts of every arm: the model saw no answer
        applies = {
            row: by_rule[scored.id].outcome != "not_applicable"
            for by_key in split.table.verdicts.values()
            for (row, _), by_rule in by_key.items()
            if by_rule[scored.id].outcome != "missing"
        }
    else:
        applies = {row.id: bool(applicable(scored.rule, row)) for row in split.rows}
    clusters = [split.table.questions[row] for row in applies]
    return _measurement(rate(list(applies.values()), clusters), len(applies))


def _length(split: AnsweredSplit, arm: str) -> Measurement | None:
    """Words per answer, without footer and prefix."""
    normalise = split.table.rules.normalise
    answers = [
        answer for answer in split.answers if answer.arm == arm and answer.finish != "too_long"
    ]
    lengths = [float(len(words(normalised_answer(answer.text, normalise)))) for answer in answers]
    clusters = [split.table.questions[answer.row] for answer in answers]
    interval = clustered_interval(lengths, clusters) if answers else None
    return _measurement(interval, len(answers))


def _rate(split: AnsweredSplit, arm: str, score: str) -> Measurement | None:
    decided = split.table.decided(arm, score)
    return _measurement(split.table.rate(decided), len(decided))
