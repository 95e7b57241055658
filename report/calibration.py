"""What the calibration says, as the pages and report.json show it.

Knows which of its numbers belong together; leaves the measuring to the judge.
"""

from data.answers import logged_answers
from data.records import Record
from judge.annotation.import_labels import ArmLabels, Estimate, estimate
from judge.calibration.bias import BiasRate
from judge.calibration.label_agreement import GoldAgreement
from judge.calibration.record import Calibration
from judge.calibration.variants import CODE_ONLY
from judge.checks.applicability import by_model
from judge.metrics.drift import AnsweredSplit
from judge.metrics.interval import Refusal
from judge.metrics.verdict_table import STRICT
from judge.records import Agreement
from report.corrected import Corrected, corrected
from report.gather import RunFiles


class Broken(Record):
    """Mutation tests of the code rules: answers that obey a rule, broken or left as they are."""

    rules: int  # due rules that were tested
    n: int  # broken answers
    caught: int
    copies: int  # untouched in substance
    passed: int
    missed: tuple[str, ...]  # ways (with rule and counts) of which fewer than half were caught


class Attacked(Record):
    """The attack suite under one strict score."""

    texts: int
    rows: int  # that each text was tried on by code
    through: int  # texts that passed on some row
    undecided: int  # texts that passed nowhere and are open somewhere
    escapes: int  # texts that left their fence
    by_model: bool  # the language model was asked too


class Calibrated(Record):
    """The calibration in short, as report.json keeps it."""

    model: str | None  # None: the rules in code alone were calibrated
    score: str  # the strict score that the run's rests on, see judge.calibration.variants
    people: GoldAgreement | None  # that score against people's labels, on the reporting half
    corrected: Corrected  # share of the best student's answers to val that people would call good
    broken: Broken
    attacked: Attacked
    disagreement_count: int


def summary(material: RunFiles) -> Calibrated | None:
    """The calibration in short; None where there is none for this judge."""
    found = material.calibration
    if isinstance(found, Refusal):
        return None
    name = score_name(material, found)
    held = found.scores.get(name)
    return Calibrated(
        model=found.judge.model,
        score=name,
        people=held.report if held else None,
        corrected=corrected(found, material.val, material.student, STRICT),
        broken=_broken(found),
        attacked=_attacked(found, name),
        disagreement_count=found.disagreement_count,
    )


def score_name(material: RunFiles, found: Calibration) -> str:
    """The run's strict score, or that of code where a model decides too and was not asked."""
    asked = any(due.must and by_model(due) for due in material.rules.scored_rules())
    return CODE_ONLY if asked and found.judge.model is None else STRICT


def _broken(found: Calibration) -> Broken:
    code = [one for one in found.mutations if one.check != "llm" and one.operators]
    ways = [(one.rule, way, kills) for one in code for way, kills in one.operators.items()]
    copies = [(one.specificity.value * one.copies) for one in code if one.specificity]
    return Broken(
        rules=len(code),
        n=sum(kills.mutants for _, _, kills in ways),
        caught=sum(kills.killed for _, _, kills in ways),
        copies=sum(one.copies for one in code),
        passed=round(sum(copies)),
        missed=tuple(
            f"“{way}” ({rule}, {kills.killed} of {kills.mutants})"
            for rule, way, kills in ways
            if 2 * kills.killed < kills.mutants
        ),
    )


def _attacked(found: Calibration, name: str) -> Attacked:
    tallies = [one.variants[name] for one in found.attacks.attacks if name in one.variants]
    return Attacked(
        texts=len(tallies),
        rows=len(found.attacks.rows),
        through=sum(one.passed > 0 for one in tallies),
        undecided=sum(one.undecided > 0 and not one.passed for one in tallies),
        escapes=found.attacks.escapes,
        by_model=found.attacks.llm_row is not None,
    )


class People(Record):
    """What people's labels of an arm's answers say, or why nothing."""

    estimate: Estimate | None
    refused: str | None


def people(material: RunFiles) -> dict[str, People]:
    """By labelled arm, from its answers and scores as they are now: labels may be older."""
    labels = material.labels.arms if material.labels else {}
    return {arm: _people(material.val, arm, said) for arm, said in labels.items()}


def _people(side: AnsweredSplit | None, arm: str, said: ArmLabels) -> People:
    if side is None:
        return People(estimate=None, refused="val has not been judged by the rules of today")
    every = [*side.answers, *(answer for row in side.rows for answer in logged_answers(row))]
    answers = [one for one in every if one.arm == arm and one.finish != "too_long"]
    found = estimate(arm, said, answers, side.table)
    if isinstance(found, Refusal):
        return People(estimate=None, refused=found.reason)
    return People(estimate=found, refused=None)


def probes(found: Calibration | Refusal) -> list[tuple[str, BiasRate]]:
    """The biases that the judge was probed for, by name."""
    if isinstance(found, Refusal):
        return []
    return [(name.replace("_", " "), one) for name, one in found.biases]


def reading(one: Agreement) -> str | None:
    """Why κ says little of these two raters, in words; None where it can be read."""
    passes, fails = one.true_pass + one.false_fail, one.true_fail + one.false_pass
    said_pass, said_fail = one.true_pass + one.false_pass, one.true_fail + one.false_fail
    if not one.n:
        return "No answer was decided by both, so nothing can be said of their agreement."
    if not passes:
        return (
            "By code none of these answers passes: whether the judge would know one that does "
            "cannot be said, and κ means nothing here."
        )
    if not fails:
        return (
            "By code all of these answers pass: whether the judge would notice one that fails "
            "cannot be said, and κ means nothing here."
        )
    if not (said_pass and said_fail):
        what = "fails" if not said_pass else "passes"
        return f"The judge {what} every one of these answers, so it tells nothing apart (κ = 0)."
    return None
