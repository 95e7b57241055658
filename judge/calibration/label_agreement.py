"""The strict scores of the logged answers against what people said of them.

People judged how much an answer helps, the rules how far it obeys the prompt: a low agreement says
that the two differ, not which of them errs.
"""

from collections.abc import Sequence
from typing import NamedTuple

from data.records import Record
from data.rows import Row, question_key
from judge.calibration.variants import CODE_STRICT
from judge.labels import Gold, Half
from judge.metrics import agreement as raters
from judge.metrics.interval import Interval
from judge.metrics.verdict_table import STRICT, VerdictTable

SHOWN = 40  # disagreements listed
_EXCERPT = 240  # characters of an answer


class GoldAgreement(Record):
    """One score against people's good and bad, on one half. Shares with 95 % intervals.

    Where verdicts are missing a fail is decided by one broken rule and a pass by none: the decided
    answers are then no fair sample, and the agreement on them says little.
    """

    n: int  # answers that both decided
    undecided: int  # answers with gold whose score is missing
    true_pass: int
    false_pass: int  # people: bad, the score: pass
    false_fail: int  # people: good, the score: fail
    true_fail: int
    accuracy: Interval | None
    balanced_accuracy: float | None
    kappa: Interval | None  # Cohen's, bootstrap over questions
    ac1: float | None  # Gwet's
    tpr: Interval | None  # of the good answers, how many pass
    tnr: Interval | None  # of the bad ones, how many fail
    j: float | None  # TPR + TNR − 1


class ScoreAgainstGold(Record):
    """One strict score: the must-rules that it rests on, and both halves."""

    must_rules: tuple[str, ...]
    tune: GoldAgreement
    report: GoldAgreement


class RuleAgainstGold(Record):
    """How often good and bad answers pass one rule, on both halves: what a low agreement is of."""

    rule: str
    must: bool
    good: int  # good answers on which the rule is decided
    good_passes: int
    bad: int
    bad_passes: int


class Disagreement(Record):
    """An answer that the score and people see differently."""

    row: str
    system: str
    half: Half
    good: bool
    why: str
    score: str  # the strict score of the run where it is decided, else that of code alone
    passes: bool
    broken: tuple[str, ...]  # must-rules
    excerpt: str


class GoldComparison(NamedTuple):
    """What is held against each other."""

    gold: Sequence[Gold]
    boards: dict[str, VerdictTable]  # by strict score
    halves: dict[str, Half]
    rows: dict[str, Row]
    seed: int


def score_against(held: GoldComparison, name: str) -> ScoreAgainstGold:
    """One strict score on both halves."""
    return ScoreAgainstGold(
        must_rules=held.boards[name].rules.must_rules,
        tune=_agreement(held, name, "tune"),
        report=_agreement(held, name, "report"),
    )


def _scored(held: GoldComparison, name: str, gold: Gold) -> bool | None:
    return held.boards[name].strict[f"logged/{gold.system}"][gold.row, 0]


def _agreement(held: GoldComparison, name: str, half: Half) -> GoldAgreement:
    here = [one for one in held.gold if held.halves[one.row] == half]
    pairs = [(one, _scored(held, name, one)) for one in here]
    decided = [(one, passed) for one, passed in pairs if passed is not None]
    good, passes = [one.good for one, _ in decided], [passed for _, passed in decided]
    clusters = [question_key(held.rows[one.row]) for one, _ in decided]
    counts = raters.confusion(good, passes)
    return GoldAgreement(
        n=counts.n,
        undecided=len(here) - len(decided),
        **counts._asdict(),
        accuracy=raters.accuracy(counts),
        balanced_accuracy=raters.balanced_accuracy(counts),
        kappa=raters.kappa_interval(good, passes, clusters, held.seed),
        ac1=raters.ac1(counts),
        tpr=raters.tpr(counts),
        tnr=raters.tnr(counts),
        j=raters.youden(counts),
    )


def rules_against(held: GoldComparison) -> list[RuleAgainstGold]:
    """Every rule that some answer with gold decides, in the order of the rule file."""
    board = held.boards[STRICT]
    found = []
    for due in board.rules.scored_rules():
        passes = {True: [0, 0], False: [0, 0]}  # good → decided, passed
        for one in held.gold:
            outcome = board.verdicts[f"logged/{one.system}"][one.row, 0][due.id].outcome
            passes[one.good][0] += outcome in ("pass", "fail")
            passes[one.good][1] += outcome == "pass"
        (good, good_passes), (bad, bad_passes) = passes[True], passes[False]
        if good + bad:
            found.append(
                RuleAgainstGold(
                    rule=due.id,
                    must=due.must,
                    good=good,
                    good_passes=good_passes,
                    bad=bad,
                    bad_passes=bad_passes,
                )
            )
    return found


def disagreements(held: GoldComparison) -> tuple[list[Disagreement], int]:
    """Up to SHOWN of them, and how many there are.

    The worst first: bad answers that pass, then good ones by the must-rules that they break.
    """
    found = [one for gold in held.gold if (one := _disagreement(held, gold)) is not None]
    worst = sorted(found, key=lambda one: (not one.passes, -len(one.broken)))
    return worst[:SHOWN], len(found)


def _disagreement(held: GoldComparison, gold: Gold) -> Disagreement | None:
    passed, name = _scored(held, STRICT, gold), STRICT
    if passed is None and CODE_STRICT in held.boards:
        passed, name = _scored(held, CODE_STRICT, gold), CODE_STRICT
    if passed is None or passed == gold.good:
        return None
    verdicts = held.boards[name].verdicts[f"logged/{gold.system}"][gold.row, 0]
    broken = [
        rule for rule in held.boards[name].rules.must_rules if verdicts[rule].outcome == "fail"
    ]
    text = " ".join(held.rows[gold.row].answers[gold.system].split())
    return Disagreement(
        row=gold.row,
        system=gold.system,
        half=held.halves[gold.row],
        good=gold.good,
        why=gold.why,
        score=name,
        passes=passed,
        broken=tuple(broken),
        excerpt=text[:_EXCERPT],
    )
