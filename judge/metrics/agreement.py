"""Agreement of two raters who say pass or fail: counts, shares, chance-corrected measures.

The first rater is the gold: code, or people. Pure functions of counts and booleans; a measure that
the counts do not define is None.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data.rows import Row, question_clusters
from judge.metrics.interval import Interval
from judge.metrics.stats import CONFIDENCE, Floats, by_cluster, rate, wilson
from judge.records import Agreement
from judge.verdict import Verdict
from prompts.rules import RuleFile

RESAMPLES = 2_000


class Confusion(NamedTuple):
    """How many answers the two raters decided in which way."""

    true_pass: int
    false_pass: int  # gold fails, the judge passes
    false_fail: int  # gold passes, the judge fails
    true_fail: int

    @property
    def n(self) -> int:
        """Answers that both decided."""
        return sum(self)

    @property
    def passes(self) -> int:
        """Answers that pass by the gold."""
        return self.true_pass + self.false_fail

    @property
    def fails(self) -> int:
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


def accuracy(counts: Confusion) -> Interval | None:
    """Interval of answers on which the raters agree, with Wilson's interval."""
    return wilson(counts.true_pass + counts.true_fail, counts.n)


def tpr(counts: Confusion) -> Interval | None:
    """Of what passes, how much the judge passes (sensitivity), with Wilson's interval."""
    return wilson(counts.true_pass, counts.passes)


def tnr(counts: Confusion) -> Interval | None:
    """Of what fails, how much the judge fails (specificity), with Wilson's interval."""
    return wilson(counts.true_fail, counts.fails)


def balanced_accuracy(counts: Confusion) -> float | None:
    """(TPR + TNR) / 2: a judge that always says the same has ½, however rare fails are."""
    index = youden(counts)
    return None if index is None else (index + 1) / 2


def youden(counts: Confusion) -> float | None:
    """J = TPR + TNR − 1 (Youden 1950): 1 never errs, 0 knows nothing. Shrinks differences to J."""
    passed, failed = tpr(counts), tnr(counts)
    return None if passed is None or failed is None else passed.value + failed.value - 1


def kappa(counts: Confusion) -> float | None:
    """Cohen's κ (Cohen 1960); None when chance alone would agree on everything."""
    n, chance = counts.n, _chance(counts)
    if chance == n * n:
        return None
    right = counts.true_pass + counts.true_fail
    return (right * n - chance) / (n * n - chance)


def _chance(counts: Confusion) -> int:
    """Agreement by chance × n²: whole numbers compare exactly."""
    judged = counts.true_pass + counts.false_pass
    return counts.passes * judged + counts.fails * (counts.n - judged)


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
    it would make the interval too narrow. Where all resamples are alike, as without any
    disagreement, κ is taken at the ends of the accuracy's interval instead. None where κ is
    undefined, and below two clusters.
    """
    whole = confusion(gold, judged)
    value = kappa(whole)
    if value is None or len(set(clusters)) < 2:
        return None
    cells = np.array(
        [
            [a and b, b and not a, a and not b, not (a or b)]
            for a, b in zip(gold, judged, strict=True)
        ],
        dtype=np.float64,
    ).T  # [4, n], in the order of Confusion
    sums, _ = by_cluster(cells, clusters)  # [4, G]
    kinds, many = np.unique(sums, axis=1, return_counts=True)  # clusters alike are drawn as one
    count = sums.shape[1]
    random = np.random.default_rng(seed)
    times = random.multinomial(count, many / count, size=RESAMPLES)  # [R, kinds]
    found = _kappas(times @ kinds.T)
    low = float(np.quantile(np.nan_to_num(found, nan=0.0), (1 - CONFIDENCE) / 2))
    high = float(np.quantile(np.nan_to_num(found, nan=1.0), (1 + CONFIDENCE) / 2))
    agreed = rate([a == b for a, b in zip(gold, judged, strict=True)], clusters)
    if low < high or agreed is None:
        return Interval(value, low, high)
    chance = _chance(whole) / whole.n**2
    low, high = ((end - chance) / (1 - chance) for end in (agreed.low, agreed.high))
    return Interval(value, min(low, value), max(high, value))


def _kappas(cells: Floats) -> Floats:
    """κ of each row of counts in the order of Confusion: [R, 4] → [R], NaN where undefined."""
    true_pass, false_pass, false_fail, true_fail = cells.T
    n = cells.sum(axis=1)
    gold, judged = true_pass + false_fail, true_pass + false_pass
    chance = gold * judged + (n - gold) * (n - judged)
    undefined = chance == n * n
    kappas: Floats = ((true_pass + true_fail) * n - chance) / np.where(undefined, 1, n * n - chance)
    return np.where(undefined, np.nan, kappas)


def prefers_longer(
    lengths: Sequence[tuple[int, int]], clusters: Sequence[Hashable]
) -> Interval | None:
    """Of pairs of answers, the share in which the preferred one is the longer; ½: no leaning.

    `lengths` are those of the preferred and of the other answer, in any unit; pairs of one length
    say nothing and are left out. The interval is clustered where questions repeat (`rate`).
    """
    kept = [index for index, (preferred, other) in enumerate(lengths) if preferred != other]
    return rate([lengths[i][0] > lengths[i][1] for i in kept], [clusters[i] for i in kept])


def agreements(
    verdicts: Sequence[Verdict], rules: RuleFile, rows: Iterable[Row] = (), seed: int = 0
) -> list[Agreement]:
    """One record per rule with `shadow_llm`, in the order of the rule file.

    Answers are clustered by the question of their row; a row that is not given is its own.
    """
    asked = question_clusters(rows)
    shadowed = [(rule.id, rule.shadow_llm) for rule in rules.rules if rule.shadow_llm]
    return [_agreement(code, llm, verdicts, asked, seed) for code, llm in shadowed]


def _agreement(
    code_rule: str, llm_rule: str, verdicts: Sequence[Verdict], asked: Mapping[str, str], seed: int
) -> Agreement:
    decided, judged = _decided(code_rule, verdicts), _decided(llm_rule, verdicts)
    arms = _judged_arms(llm_rule, verdicts)
    both = [unit for unit in decided if unit in judged]
    gold, model = [decided[unit] for unit in both], [judged[unit] for unit in both]
    counts = confusion(gold, model)
    interval = kappa_interval(gold, model, [asked.get(row, row) for _, row, _ in both], seed)
    return Agreement(
        code_rule=code_rule,
        llm_rule=llm_rule,
        n=counts.n,
        missing=sum(arm in arms for arm, _, _ in decided) - counts.n,
        **counts._asdict(),
        accuracy=accuracy(counts),
        tpr=tpr(counts),
        tnr=tnr(counts),
        kappa=kappa(counts),
        kappa_low=interval.low if interval else None,
        kappa_high=interval.high if interval else None,
        ac1=ac1(counts),
    )


def _decided(rule: str, verdicts: Iterable[Verdict]) -> dict[tuple[str, str, int], bool]:
    return {
        (verdict.arm, verdict.row, verdict.sample): verdict.outcome == "pass"
        for verdict in verdicts
        if verdict.rule == rule and verdict.outcome in ("pass", "fail")
    }


def _judged_arms(llm_rule: str, verdicts: Iterable[Verdict]) -> set[str]:
    """The arms that the model was asked to judge: elsewhere its silence is no missing verdict."""
    return {one.arm for one in verdicts if one.rule == llm_rule and one.reason != "not_run"}
