"""Agreement of two raters on pass or fail: counts, shares, chance-corrected measures.

The first rater is the gold: code, or people. A measure that the counts do not define is None.
`judges_agreement` compares two models, `shadow_agreements` the language model with code: a rule
with `shadow_llm` is decided by code and, again, by an llm rule. Code is right by definition, so no
human label is needed.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from judge.metrics.interval import Interval
from judge.metrics.stats import CONFIDENCE, Floats, cluster_sums, rate, wilson_size
from judge.metrics.verdict_table import VerdictTable
from judge.records import RaterAgreement, ShadowAgreement

_KAPPA_RESAMPLES = 2_000


class Confusion(NamedTuple):
    """Answers by the verdicts of both raters; whole numbers, unless from `effective_confusion`."""

    true_pass: float
    false_pass: float  # gold fails, the judge passes
    false_fail: float  # gold passes, the judge fails
    true_fail: float

    @property
    def n(self) -> float:
        """Answers that both decided."""
        return sum(self)

    @property
    def passes(self) -> float:
        """Answers that pass by the gold."""
        return self.true_pass + self.false_fail

    @property
    def fails(self) -> float:
        """Answers that fail by the gold."""
        return self.true_fail + self.false_pass


def confusion(gold: Sequence[bool], judged: Sequence[bool]) -> Confusion:
    """The counts of two raters on the same answers."""
    cells = Counter(zip(gold, judged, strict=True))
    return Confusion(
        true_pass=cells[True, True],
        false_pass=cells[False, True],
        false_fail=cells[True, False],
        true_fail=cells[False, False],
    )


def effective_confusion(tpr: Interval | None, tnr: Interval | None) -> Confusion:
    """The counts that would give these intervals if no two answers were to one question.

    Zero where the gold has no answer of a kind.
    """
    passes, fails = (wilson_size(share) if share else 0.0 for share in (tpr, tnr))
    true_pass, true_fail = (
        share.value * size if share else 0.0 for share, size in ((tpr, passes), (tnr, fails))
    )
    return Confusion(true_pass, fails - true_fail, passes - true_pass, true_fail)


def youden(counts: Confusion) -> float | None:
    """J = TPR + TNR − 1 (Youden 1950): 1 without errors, 0 for chance.

    A judge shrinks true differences between arms to J of their size.
    """
    if not counts.passes or not counts.fails:
        return None
    return counts.true_pass / counts.passes + counts.true_fail / counts.fails - 1


def youden_interval(
    gold: Sequence[bool], judged: Sequence[bool], clusters: Sequence[Hashable]
) -> Interval | None:
    """J with its 95 % interval within −1 … 1; None where the gold lacks passes or fails.

    MOVER (Zou & Donner 2008) of the clustered intervals of TPR and TNR. Where one cluster holds
    passes and fails, their correlation widens it; a negative one is not used to narrow it.
    """
    tpr, tnr = (share_correct(gold, judged, clusters, side) for side in (True, False))
    if tpr is None or tnr is None:
        return None
    passes = np.array(gold, dtype=bool)
    correct = (passes == np.array(judged, dtype=bool)).astype(np.float64)
    deviations = np.array([passes * (correct - tpr.value), ~passes * (correct - tnr.value)])
    sums, _ = cluster_sums(deviations, clusters)  # [2, G]
    size = math.sqrt(float((sums[0] @ sums[0]) * (sums[1] @ sums[1])))
    correlation = max(0.0, float(sums[0] @ sums[1]) / size) if size else 0.0
    value = tpr.value + tnr.value - 1
    below, above = (
        math.sqrt(a * a + b * b + 2 * correlation * a * b)
        for a, b in (
            (tpr.value - tpr.low, tnr.value - tnr.low),
            (tpr.high - tpr.value, tnr.high - tnr.value),
        )
    )
    return Interval(value, max(-1.0, value - below), min(1.0, value + above))


def share_correct(
    gold: Sequence[bool], judged: Sequence[bool], clusters: Sequence[Hashable], side: bool
) -> Interval | None:
    """Of the answers whose gold is `side`, the share that is judged so, clustered: TPR or TNR."""
    answers = zip(gold, judged, clusters, strict=True)
    of_side = [(verdict, cluster) for truth, verdict, cluster in answers if truth == side]
    return rate([verdict == side for verdict, _ in of_side], [cluster for _, cluster in of_side])


def kappa(counts: Confusion) -> float | None:
    """Cohen's κ (Cohen 1960); None when chance agreement is complete."""
    value = float(kappas(np.array(counts, dtype=np.float64)))
    return None if math.isnan(value) else value


def ac1(counts: Confusion) -> float | None:
    """Gwet's AC1 (Gwet 2008, Br. J. Math. Stat. Psychol. 61); None without answers.

    Unlike κ it does not fall to 0 when nearly every answer passes.
    """
    n = counts.n
    if n == 0:
        return None
    passing = (counts.passes + counts.true_pass + counts.false_pass) / (2 * n)  # of both raters
    chance = 2 * passing * (1 - passing)  # at most ½
    return ((counts.true_pass + counts.true_fail) / n - chance) / (1 - chance)


def kappa_interval(
    gold: Sequence[bool], judged: Sequence[bool], clusters: Sequence[Hashable], seed: int
) -> Interval | None:
    """κ with the 95 % percentile interval of a bootstrap over clusters (Field & Welsh 2007).

    A resample on which κ is undefined counts as 0 for the lower end and 1 for the upper: left out,
    it would make the interval too narrow. Where all resamples are equal, as without any
    disagreement, the ends are κ at the ends of the accuracy's interval. None where κ is undefined,
    and below two clusters.
    """
    counts = confusion(gold, judged)
    value = kappa(counts)
    if value is None or len(set(clusters)) < 2:
        return None
    a, b = np.array(gold, dtype=bool), np.array(judged, dtype=bool)
    cells = np.array([a & b, ~a & b, a & ~b, ~a & ~b], dtype=np.float64)  # [4, n], as Confusion
    sums, _ = cluster_sums(cells, clusters)  # [4, G]
    patterns, repeats = np.unique(sums, axis=1, return_counts=True)  # equal clusters as one
    groups = sums.shape[1]
    random = np.random.default_rng(seed)
    weights = random.multinomial(groups, repeats / groups, size=_KAPPA_RESAMPLES)  # [R, patterns]
    resampled = kappas(weights @ patterns.T)
    low = float(np.quantile(np.nan_to_num(resampled, nan=0.0), (1 - CONFIDENCE) / 2))
    high = float(np.quantile(np.nan_to_num(resampled, nan=1.0), (1 + CONFIDENCE) / 2))
    agreed = rate((a == b).tolist(), clusters)
    if low < high or agreed is None:
        return Interval(value, low, high)
    chance = float(_chance(np.array(counts, dtype=np.float64))) / counts.n**2
    low, high = ((end - chance) / (1 - chance) for end in (agreed.low, agreed.high))
    return Interval(value, min(low, value), max(high, value))


def kappas(cells: Floats) -> Floats:
    """κ of counts in the order of Confusion: [..., 4] → [...], NaN where undefined."""
    n, chance = cells.sum(axis=-1), _chance(cells)
    undefined = chance == n * n
    agreed = cells[..., 0] + cells[..., 3]
    values: Floats = (agreed * n - chance) / np.where(undefined, 1, n * n - chance)
    return np.where(undefined, np.nan, values)


def _chance(cells: Floats) -> Floats:
    """Agreement by chance × n² [...]: integers, which compare exactly."""
    true_pass, false_pass, false_fail, true_fail = np.moveaxis(cells, -1, 0)
    gold, judged = true_pass + false_fail, true_pass + false_pass
    chance: Floats = gold * judged + (false_pass + true_fail) * (false_fail + true_fail)
    return chance


def rater_agreement(
    gold: Sequence[bool],
    judged: Sequence[bool],
    clusters: Sequence[Hashable],
    missing: int,
    seed: int,
) -> RaterAgreement:
    """All measures of two raters on the same answers; every interval allows for clusters.

    `seed` is of the bootstrap of κ.
    """
    counts = confusion(gold, judged)
    index = youden_interval(gold, judged, clusters)
    correct = [a == b for a, b in zip(gold, judged, strict=True)]
    return RaterAgreement(
        n=len(correct),
        missing=missing,
        **counts._asdict(),
        accuracy=rate(correct, clusters),
        balanced_accuracy=None if index is None else (index.value + 1) / 2,
        kappa=kappa_interval(gold, judged, clusters, seed),
        ac1=ac1(counts),
        tpr=share_correct(gold, judged, clusters, True),
        tnr=share_correct(gold, judged, clusters, False),
        j=index and index.value,
        j_low=index and index.low,
        j_high=index and index.high,
    )


def shadow_agreements(table: VerdictTable, seed: int = 0) -> list[ShadowAgreement]:
    """One record per rule with `shadow_llm`, in the order of the rule file."""
    return [
        _shadow_agreement(table, rule.id, rule.shadow_llm, seed)
        for rule in table.rules.rules
        if rule.shadow_llm
    ]


def judges_agreement(table: VerdictTable, seed: int) -> RaterAgreement | None:
    """The second of two models against the first, on all verdicts on which both ruled.

    None where there was one model, or the two never ruled on the same.
    """
    judged = [
        (*verdict.judges, table.questions[row])
        for answers in table.verdicts.values()
        for (row, _), by_rule in answers.items()
        for verdict in by_rule.values()
        if verdict.judges is not None
    ]
    if not judged:
        return None
    first, second = ([rulings[place] == "pass" for rulings in judged] for place in (0, 1))
    return rater_agreement(first, second, [rulings[2] for rulings in judged], 0, seed)


def _shadow_agreement(
    table: VerdictTable, code_rule: str, llm_rule: str, seed: int
) -> ShadowAgreement:
    gold, model = list[bool](), list[bool]()
    clusters, missing = list[str](), 0
    for arm, answers in table.verdicts.items():
        by_code, by_llm = table.decided(arm, code_rule), table.decided(arm, llm_rule)
        both = [key for key in by_code if key in by_llm]
        gold += [by_code[key] for key in both]
        model += [by_llm[key] for key in both]
        clusters += table.clusters(both)
        # elsewhere the model was not asked, and no verdict of it is missing
        if any(by_rule[llm_rule].reason != "not_run" for by_rule in answers.values()):
            missing += len(by_code) - len(both)
    agreement = rater_agreement(gold, model, clusters, missing, seed)
    return ShadowAgreement(code_rule=code_rule, llm_rule=llm_rule, **dict(agreement))
