"""Distribution shift: how the hidden rows and the answers to them differ from val.

Uses only measures that need no label. The more the rows differ, the less a rate on the hidden rows
says about val.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
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
    label_free = [
        scored for scored in val.table.rules.scored_rules() if not needs_label(scored.rule)
    ]
    for arm, what, measure in _measures(label_free, val.table.verdicts):
        if arm is not None and arm not in hidden.table.verdicts:
            continue
        on_val, on_hidden = measure(val), measure(hidden)
        if on_val is None or on_hidden is None:
            continue
        difference = independent_difference(on_hidden, on_val)
        yield DistributionShift(
            arm=arm,
            what=what,
            val=on_val,
            hidden=on_hidden,
            difference=difference.value,
            low=difference.low,
            high=difference.high,
        )


def _measures(
    label_free: Sequence[ScoredRule], arms: Iterable[str]
) -> Iterator[tuple[str | None, str, Callable[[AnsweredSplit], Measurement | None]]]:
    """The arm, the name and the function of every measure."""
    for scored in label_free:
        if scored.rule.applies != "always" and not scored.converse:
            yield None, f"applicable: {scored.id}", partial(_applicability, scored)
    for arm in arms:
        yield arm, "words", partial(_length, arm)
        for score in (LABEL_FREE, *(scored.id for scored in label_free)):
            yield arm, score, partial(_rate, arm, score)


def _measurement(interval: Interval | None, n: int) -> Measurement | None:
    return None if interval is None else Measurement(**asdict(interval), n=n)


def _applicability(scored: ScoredRule, split: AnsweredSplit) -> Measurement | None:
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


def _length(arm: str, split: AnsweredSplit) -> Measurement | None:
    """Words per answer, without footer and prefix."""
    normalise = split.table.rules.normalise
    lengths = {
        (answer.row, answer.sample): len(words(normalised_answer(answer.text, normalise)))
        for answer in split.answers
        if answer.arm == arm and answer.finish != "too_long"
    }
    interval = clustered_interval(list(lengths.values()), split.table.clusters(lengths))
    return _measurement(interval, len(lengths))


def _rate(arm: str, score: str, split: AnsweredSplit) -> Measurement | None:
    decided = split.table.decided(arm, score)
    return _measurement(split.table.rate(decided), len(decided))
