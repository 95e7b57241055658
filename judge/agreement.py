"""How far the language model can be trusted: its verdicts against code's on the same answers.

A rule with `shadow_llm` is decided by code and, again, by an llm rule. Code is right by definition,
so the model's error rates cost no human label.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from data.records import Record
from judge.stats import wilson
from judge.verdicts import Verdict
from prompts.rules import RuleFile


class Share(Record):
    """A share with its 95 % Wilson interval, 0 … 1."""

    value: float
    low: float
    high: float


class Agreement(Record):
    """The verdicts of an llm rule against those of the code rule that it shadows."""

    code_rule: str
    llm_rule: str
    n: int  # answers that both decided
    missing: int  # answers that code decided and the model did not
    true_pass: int
    false_pass: int  # code fails, the model passes
    false_fail: int  # code passes, the model fails
    true_fail: int
    accuracy: Share | None
    tpr: Share | None  # of what passes, how much the model passes
    tnr: Share | None  # of what fails, how much the model fails
    kappa: float | None  # Cohen 1960; None when chance alone would agree on everything


def agreements(verdicts: Sequence[Verdict], rules: RuleFile) -> list[Agreement]:
    """One record per rule with `shadow_llm`, in the order of the rule file."""
    shadowed = [(rule.id, rule.shadow_llm) for rule in rules.rules if rule.shadow_llm]
    return [_agreement(code, llm, verdicts) for code, llm in shadowed]


def _agreement(code_rule: str, llm_rule: str, verdicts: Sequence[Verdict]) -> Agreement:
    gold = _decided(code_rule, verdicts)
    judged = _decided(llm_rule, verdicts)
    pairs = Counter((gold[key], judged[key]) for key in gold if key in judged)
    right = pairs[True, True] + pairs[False, False]
    return Agreement(
        code_rule=code_rule,
        llm_rule=llm_rule,
        n=pairs.total(),
        missing=len(gold) - pairs.total(),
        true_pass=pairs[True, True],
        false_pass=pairs[False, True],
        false_fail=pairs[True, False],
        true_fail=pairs[False, False],
        accuracy=_share(right, pairs.total()),
        tpr=_share(pairs[True, True], pairs[True, True] + pairs[True, False]),
        tnr=_share(pairs[False, False], pairs[False, False] + pairs[False, True]),
        kappa=_kappa(pairs),
    )


def _decided(rule: str, verdicts: Iterable[Verdict]) -> dict[tuple[str, str, int], bool]:
    return {
        (verdict.arm, verdict.row, verdict.sample): verdict.outcome == "pass"
        for verdict in verdicts
        if verdict.rule == rule and verdict.outcome in ("pass", "fail")
    }


def _share(part: int, whole: int) -> Share | None:
    found = wilson(part, whole)
    return Share(value=found.value, low=found.low, high=found.high) if found else None


def _kappa(pairs: Counter[tuple[bool, bool]]) -> float | None:
    n = pairs.total()
    gold = pairs[True, True] + pairs[True, False]
    judged = pairs[True, True] + pairs[False, True]
    chance = gold * judged + (n - gold) * (n - judged)  # × n²: whole numbers compare exactly
    if chance == n * n:
        return None
    right = pairs[True, True] + pairs[False, False]
    return (right * n - chance) / (n * n - chance)
