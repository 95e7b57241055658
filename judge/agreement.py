"""How far the language model can be trusted: its verdicts against code's on the same answers.

A rule with `shadow_llm` is decided by code and, again, by an llm rule. Code is right by definition,
so the model's error rates cost no human label.
"""

from collections.abc import Iterable, Mapping, Sequence

from data.records import Record
from data.rows import Row, questions
from judge.metrics.agreement import ac1, accuracy, confusion, kappa, kappa_interval, tnr, tpr
from judge.metrics.stats import Interval
from judge.verdict import Verdict
from prompts.rules import RuleFile


class Share(Record):
    """A share with its 95 % Wilson interval, 0 … 1."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, found: Interval) -> "Share":
        """The record of an interval."""
        return cls(**found._asdict())


class Agreement(Record):
    """The verdicts of an llm rule against those of the code rule that it shadows."""

    code_rule: str
    llm_rule: str
    n: int  # answers that both decided
    missing: int  # answers of the arms it judged that code decided and the model did not
    true_pass: int
    false_pass: int  # code fails, the model passes
    false_fail: int  # code passes, the model fails
    true_fail: int
    accuracy: Share | None
    tpr: Share | None  # of what passes, how much the model passes
    tnr: Share | None  # of what fails, how much the model fails
    kappa: float | None  # Cohen's; None when chance alone would agree on everything
    kappa_low: float | None = None  # 95 % interval, clustered by question
    kappa_high: float | None = None
    ac1: float | None = None  # Gwet's: does not fall to 0 where nearly all pass


def agreements(
    verdicts: Sequence[Verdict], rules: RuleFile, rows: Iterable[Row] = (), seed: int = 0
) -> list[Agreement]:
    """One record per rule with `shadow_llm`, in the order of the rule file.

    Answers are clustered by the question of their row; a row that is not given is its own.
    """
    asked = questions(rows)
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
        accuracy=as_share(accuracy(counts)),
        tpr=as_share(tpr(counts)),
        tnr=as_share(tnr(counts)),
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


def as_share(found: Interval | None) -> Share | None:
    """An interval as it is written to disk."""
    return None if found is None else Share.of(found)
