"""The tables of the pages, row by row, ready to be written: who is shown, in which order.

Knows which numbers stand beside each other; leaves their writing to the templates.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from judge.metrics.interval import Interval
from judge.metrics.stats import wilson
from judge.records import Comparison, RuleScore, StrictScore
from prompts.rules import ScoredRule
from report.gather import TEACHER, RunFiles
from report.headline import compared, llm_rules, rule_of, strict_of
from student.records import RankedStudent, Step
from teacher.audit import ObeyedShare, OrderAudit

_LISTED = 12  # ids named before the rest is only counted


@dataclass(frozen=True)
class RuleRow:
    """One rule over the arms."""

    due: ScoredRule
    scores: tuple[RuleScore | None, ...]  # in the order of `RunFiles.arms`
    against_teacher: Comparison | None


def rule_rows(material: RunFiles) -> list[RuleRow]:
    """The rules that code decides, and those that count for strict adherence."""
    judged = {due.id for due in llm_rules(material) if not due.must}
    return [_rule_row(material, d) for d in material.rules.scored_rules() if d.id not in judged]


def llm_rows(material: RunFiles) -> list[RuleRow]:
    """The rules that a language model decides."""
    return [_rule_row(material, due) for due in llm_rules(material)]


def _rule_row(material: RunFiles, due: ScoredRule) -> RuleRow:
    scores = tuple(rule_of(material, arm, due.id) for arm in material.arms)
    return RuleRow(due, scores, compared(material, TEACHER, due.id))


def logged(material: RunFiles) -> list[tuple[str, StrictScore]]:
    """The logged answers' strict scores by answering system: what users get today."""
    arms = material.judged.scores.arms if material.judged else {}
    return [(arm, score.strict) for arm, score in arms.items() if arm.startswith("logged/")]


@dataclass(frozen=True)
class Tried:
    """One student that was tried."""

    ranked: RankedStudent
    differs: tuple[str, ...]  # its values of the settings in which the students differ
    strict: StrictScore | None
    trainable: int | None  # parameters
    speed: float | None  # tokens per second that it read, the median of its steps


@dataclass(frozen=True)
class Students:
    """The students that were tried, best first."""

    columns: tuple[str, ...]  # settings in which they differ
    rows: tuple[Tried, ...]
    common: tuple[tuple[str, str], ...]  # settings in which they agree


def students(material: RunFiles) -> Students | None:
    """None when none has been chosen yet."""
    if material.choice is None:
        return None
    ranked = material.choice.ranked
    settings = [dict(flat(one.settings)) for one in ranked]
    keys = list(dict.fromkeys(key for values in settings for key in values))
    columns = differing(settings)
    rows = []
    for one, values in zip(ranked, settings, strict=True):
        training = material.training.get(one.name)
        result = training.result if training else None
        rows.append(
            Tried(
                ranked=one,
                differs=tuple(values.get(key, "") for key in columns),
                strict=strict_of(material, f"student/{one.name}"),
                trainable=result.trainable if result else None,
                speed=_speed(training.steps if training else ()),
            )
        )
    common = [(key, settings[0].get(key, "")) for key in keys if key not in columns]
    return Students(tuple(columns), tuple(rows), tuple(common))


def differing(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """The keys whose values are not the same in all, in their order."""
    keys = dict.fromkeys(key for values in settings for key in values)
    return [key for key in keys if len({values.get(key) for values in settings}) > 1]


def _speed(steps: Sequence[Step]) -> float | None:
    speeds = [step.tokens_per_s for step in steps if step.tokens_per_s is not None]
    return median(speeds) if speeds else None


def looks(material: RunFiles) -> list[tuple[str, Step, Interval | None, bool]]:
    """Student, its look at val, the interval of its strict share, whether that one was kept."""
    found = []
    for name, training in material.training.items():
        kept = training.result.best_step if training.result else None
        for step in training.steps:
            if step.val_loss is not None or step.strict is not None:
                found.append((name, step, share(step.strict, step.val_rows), step.step == kept))
    return found


def share(value: float | None, n: int | None) -> Interval | None:
    """Wilson's interval of a share of which only the value and n were stored."""
    return None if value is None or not n else wilson(round(value * n), n)


def audit_rows(
    material: RunFiles,
) -> list[tuple[str, list[tuple[ObeyedShare | None, Interval | None]]]]:
    """Strict first, then the rules that the audit could decide: the share of each way to answer."""
    if material.audit is None:
        return []
    audited = {"strict": material.audit.strict, **material.audit.rules}
    ways = {name: (one.base, one.first, one.best, one.repaired) for name, one in audited.items()}
    return [
        (name, [(one, share(one.value, one.n) if one else None) for one in shares])
        for name, shares in ways.items()
        if any(one is not None and one.n for one in shares)
    ]


def orders(material: RunFiles) -> list[tuple[int, OrderAudit, Interval | None]]:
    """Number of each order of the worked examples, its candidates, their strict interval."""
    if material.audit is None:
        return []
    found = enumerate(material.audit.by_order, 1)
    return [(at, one, share(one.strict.value, one.strict.n)) for at, one in found]


def missing_reasons(material: RunFiles) -> list[tuple[str, str, Counter[str]]]:
    """Arm, kind of rule and the reasons why verdicts are missing; those that miss none are out."""
    judged = {due.id for due in llm_rules(material)}
    found = []
    for arm in material.arms:
        score = material.judged.scores.arms.get(arm) if material.judged else None
        for kind in ("code", "llm"):
            reasons: Counter[str] = Counter()
            for rule, one in score.rules.items() if score else ():
                if (rule in judged) == (kind == "llm"):
                    reasons.update({str(reason): count for reason, count in one.missing.items()})
            if reasons:
                found.append((arm, kind, reasons))
    return found


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as (dotted key, text)."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{above}{key}", ", ".join(map(str, value)) or "none"
        else:
            yield f"{above}{key}", "none" if value is None else str(value)


def listed(ids: tuple[str, ...]) -> str:
    """The first ids by name, the rest as a count."""
    rest = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
    return ", ".join(ids[:_LISTED]) + rest
