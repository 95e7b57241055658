"""Labelled pairs of answers: which one people preferred, which one the judge, and by what."""

from collections.abc import Sequence
from typing import NamedTuple

from data.rows import Row
from data.splits import question_key
from judge.calibration.shares import BiasRate, counted
from judge.labels import Preference
from judge.llm.judge import LlmJudge
from judge.llm.prompt import pair_question
from judge.metrics.agreement import prefers_longer


class PreferencePair(NamedTuple):
    """A labelled pair: the answer that people preferred, and the other one."""

    row: Row
    better: str
    worse: str


def preference_pair(row: Row, preference: Preference) -> PreferencePair:
    """The texts of a labelled pair."""
    return PreferencePair(row, row.answers[preference.better], row.answers[preference.worse])


def longer(chosen: Sequence[tuple[PreferencePair, bool]]) -> BiasRate:
    """Of pairs with the choice (True: people's), how often it fell on the longer answer."""
    lengths = [
        (len(pair.better), len(pair.worse)) if better else (len(pair.worse), len(pair.better))
        for pair, better in chosen
    ]
    share = prefers_longer(lengths, [question_key(pair.row) for pair, _ in chosen])
    longest = [mine > other for mine, other in lengths if mine != other]
    return BiasRate(n=len(longest), count=sum(longest), rate=share)


def choices(
    duels: Sequence[PreferencePair], judge: LlmJudge
) -> tuple[list[tuple[PreferencePair, bool]], BiasRate]:
    """The pairs on which the judge keeps its choice in both orders, and the flips."""
    language = judge.language
    there = judge.rulings([pair_question(row, one, two, language) for row, one, two in duels])
    back = judge.rulings([pair_question(row, two, one, language) for row, one, two in duels])
    decided = [
        (pair, one.verdict == "first", two.verdict == "second")
        for pair, one, two in zip(duels, there, back, strict=True)
        if one.verdict is not None and two.verdict is not None
    ]
    flips = counted(
        [one != two for _, one, two in decided],
        [question_key(pair.row) for pair, _, _ in decided],
        len(duels) - len(decided),
    )
    return [(pair, one) for pair, one, two in decided if one == two], flips
