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
from judge.metrics.verdict_table import LABEL_FREE, AnswerKey, VerdictTable
from judge.records import DistributionShift
from prompts.rules import ScoredRule


class AnsweredSplit(NamedTuple):
    """The rows of a split, the answers to them, and their verdicts."""

    rows: Sequence[Row]
    answers: Sequence[Answer]
    table: VerdictTable


def distribution_shifts(
    val: AnsweredSplit, hidden: AnsweredSplit, strict: str = LABEL_FREE
) -> Iterator[DistributionShift]:
    """Hidden − val: how often each rule applies, then answer length and pass rates by arm.

    `strict` is the name of the strict score that both splits can state. Both splits must be
    judged by the same rules. A measure that is undecided on one is left out.
    """
    label_free = [
        scored for scored in val.table.rules.scored_rules() if not needs_label(scored.rule)
    ]
    on_hidden = _measurements(hidden, strict, label_free)
    for (arm, what), measurement in _measurements(val, strict, label_free).items():
        if (arm, what) in on_hidden:
            difference = independent_difference(on_hidden[arm, what], measurement)
            yield DistributionShift(
                arm=arm,
                what=what,
                val=measurement,
                hidden=on_hidden[arm, what],
                difference=difference.value,
                low=difference.low,
                high=difference.high,
            )


def _measurements(
    split: AnsweredSplit, strict: str, label_free: Sequence[ScoredRule]
) -> dict[tuple[str | None, str], Measurement]:
    """Arm (None: the rows) and name of the measure → its value, where it is decided."""
    table = split.table
    measures: dict[tuple[str | None, str], tuple[Interval | None, int]] = {}
    for scored in label_free:
        if scored.rule.applies != "always" and not scored.converse:
            applies = _applicability(split, scored)
            clusters = [table.questions[row] for row in applies]
            share = rate(list(applies.values()), clusters)
            measures[None, f"applicable: {scored.id}"] = share, len(applies)
    for arm in table.verdicts:
        lengths = _lengths(split, arm)
        mean = clustered_interval(list(lengths.values()), table.clusters(lengths))
        measures[arm, "words"] = mean, len(lengths)
        for score in (strict, *(scored.id for scored in label_free)):
            decided = table.decided(arm, score)
            interval = table.rate(decided, table.optimism(arm, score))
            measures[arm, score] = interval, len(decided)
    return {
        key: Measurement(**asdict(interval), n=n)
        for key, (interval, n) in measures.items()
        if interval
    }


def _applicability(split: AnsweredSplit, scored: ScoredRule) -> dict[str, bool]:
    """Row → whether the rule applies, where that is decided."""
    if not asks_model(scored.rule):
        return {row.id: bool(applicable(scored.rule, row)) for row in split.rows}
    return {  # the same in the verdicts of every arm: the model saw no answer
        row: by_rule[scored.id].outcome != "not_applicable"
        for by_key in split.table.verdicts.values()
        for (row, _), by_rule in by_key.items()
        if by_rule[scored.id].outcome != "missing"
    }


def _lengths(split: AnsweredSplit, arm: str) -> dict[AnswerKey, int]:
    """Words of each answer, without footer and prefix."""
    normalise = split.table.rules.normalise
    return {
        (answer.row, answer.sample): len(words(normalised_answer(answer.text, normalise)))
        for answer in split.answers
        if answer.arm == arm and answer.finish != "too_long"
    }
