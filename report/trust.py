"""Whether the headline's number can be believed: questions, each with a verdict and its numbers.

Plain text for every page alike. Knows where a measure is good enough; leaves the measuring to the
judge and the layout to the templates.
"""

from typing import Literal

from data.records import Record
from judge.calibration.label_agreement import GoldAgreement
from judge.checks.applicability import by_model
from judge.metrics.interval import Refusal
from judge.records import DistributionShift
from report.calibration import summary
from report.corrected import Corrected
from report.formats import decimal, interval, percent
from report.gather import RunFiles
from report.headline import strict_of
from report.hidden import SCORE_HIDDEN, HiddenArm, hidden, hidden_result, moved
from report.tables import listed

Marker = Literal["yes", "with care", "no", "not known"]

SCORE = "python -m judge CONFIG score"
CALIBRATE = "python -m judge CONFIG calibrate"
CAUGHT = 0.95  # share of broken answers caught, and of untouched ones passed, that is good
FAIR_KAPPA = 0.4  # κ from which agreement is more than slight (Landis & Koch 1977: fair up to 0.4)
NARROW = 0.1  # a difference between two sets of rows that is surely smaller is none to worry about


class Fact(Record):
    """One reason to believe the number, or not to."""

    question: str  # yes speaks for the number
    marker: Marker
    said: str  # plain text
    run: str | None = None  # the command that finds out what is not known


def trust(material: RunFiles) -> tuple[Fact, ...]:
    """The facts in the order in which they are shown."""
    return (
        _decided(material),
        _missing(material),
        _broken(material),
        _attacked(material),
        _people(material),
        _unseen(material),
    )


def _decided(material: RunFiles) -> Fact:
    question = "Decided by code?"
    must = [due for due in material.rules.scored_rules() if due.must]
    asked = tuple(due.id for due in must if by_model(due))
    if material.judged is None:
        return _not_run(question, SCORE)
    note = material.judged.judge
    judge = f"the LLM judge ({note.model})" if note else "an LLM judge"
    known = "calibrated against people" if note and note.calibrated else "not calibrated"
    if not asked:
        said = f"All {len(must)} must-rules are decided by code and repeat to the letter."
        # the strict score that people were held against was code's own, whatever the model is
        open_ = "" if note and note.calibrated else f"is {known} and "
        spare = f" T{judge[1:]} {open_}decides none of them." if note else ""
        return Fact(question=question, marker="yes", said=said + spare)
    said = (
        f"{len(must) - len(asked)} of {len(must)} must-rules are decided by code and repeat to "
        f"the letter; {listed(asked)} by {judge}"
    )
    if note is None:
        said = f"{said}, and none was asked."
        return Fact(question=question, marker="not known", said=said, run=SCORE)
    marker: Marker = "with care" if note.calibrated else "no"
    run = None if note.calibrated else CALIBRATE
    return Fact(question=question, marker=marker, said=f"{said}, {known}.", run=run)


def _missing(material: RunFiles) -> Fact:
    question = "All verdicts there?"
    scores = {arm: one for arm in material.arms if (one := strict_of(material, arm))}
    if not scores:
        return _not_run(question, SCORE)
    gaps = {arm: one.missing / (one.n + one.missing) for arm, one in scores.items() if one.missing}
    if not gaps:
        total = sum(one.n for one in scores.values())
        said = f"None of the {total} strict scores on the {len(scores)} arms shown is missing."
        return Fact(question=question, marker="yes", said=said)
    arm = max(gaps, key=gaps.__getitem__)
    worst = scores[arm]
    more = f", and some of {len(gaps) - 1} other arms" if len(gaps) > 1 else ""
    said = (
        f"{worst.missing} of {worst.n + worst.missing} strict scores of {arm} are missing{more}: "
        f"its rate lies between {percent(worst.low_bound)} (all fail) and "
        f"{percent(worst.high_bound)} (all pass)."
    )
    few = gaps[arm] <= material.config.judge.max_missing
    return Fact(question=question, marker="with care" if few else "no", said=said)


def _broken(material: RunFiles) -> Fact:
    question = "Breaches caught?"
    found = summary(material)
    if found is None:
        return _uncalibrated(question, material)
    one = found.broken
    if not (one.n and one.copies):
        said = "No logged answer obeys a rule in code, so none could be broken on purpose."
        return Fact(question=question, marker="not known", said=said)
    said = (
        f"Answers broken on purpose: the rules in code caught {one.caught} of {one.n} "
        f"({percent(one.caught / one.n)}) and passed {one.passed} of {one.copies} harmless "
        f"copies ({percent(one.passed / one.copies)})."
    )
    if one.missed:
        said += f" Fewer than half caught: {listed(one.missed)}."
    shares = (one.caught / one.n, one.passed / one.copies)
    good = min(shares) >= CAUGHT and not one.missed
    marker: Marker = "yes" if good else "no" if min(shares) < 0.5 else "with care"
    return Fact(question=question, marker=marker, said=said)


def _attacked(material: RunFiles) -> Fact:
    question = "Safe from tricks?"
    found = summary(material)
    if found is None:
        return _uncalibrated(question, material)
    one = found.attacked
    if not (one.texts and one.rows):
        said = "No rule was there to try the hostile texts on."
        return Fact(question=question, marker="not known", said=said)
    who = "" if one.by_model else " the rules in code"
    said = (
        f"{one.through} of {one.texts} hostile texts got through{who}, each tried on {one.rows} "
        "val rows"
    )
    said += f"; {one.undecided} more are undecided." if one.undecided else "."
    if one.escapes:
        said += f" {one.escapes} leave the fence around an answer, which is a defect."
    bad = one.escapes or one.through > one.texts * (1 - CAUGHT)
    care = one.through or one.undecided
    return Fact(
        question=question, marker="no" if bad else "with care" if care else "yes", said=said
    )


def _people(material: RunFiles) -> Fact:
    question = "People agree?"
    found = summary(material)
    if found is None:
        return _uncalibrated(question, material)
    one = found.people
    if one is None or not one.n or one.kappa is None:
        said = "Too few logged answers carry a label that calls them good or bad."
        return Fact(question=question, marker="not known", said=said)
    said = (
        f"κ {decimal(one.kappa.value, one.kappa.low, one.kappa.high)} between strict score and "
        f"people's good or bad on {one.n} logged answers. Labels judge usefulness, rules judge "
        "form: κ may be near zero with neither wrong, so do not read adherence as usefulness."
    )
    return Fact(question=question, marker=_agreed(one), said=said)


def _agreed(one: GoldAgreement) -> Marker:
    assert one.kappa is not None  # checked by the caller
    if one.kappa.low > FAIR_KAPPA:
        return "yes"
    if one.kappa.low > 0:
        return "with care"
    return "no" if one.kappa.high < FAIR_KAPPA else "not known"


def _unseen(material: RunFiles) -> Fact:
    question = "Holds on hidden rows?"
    refused = hidden_result(material)
    if isinstance(refused, Refusal):
        said = f"{refused.reason[0].upper()}{refused.reason[1:]}."
        run = SCORE_HIDDEN if material.config.data.hidden else None
        return Fact(question=question, marker="not known", said=said, run=run)
    found = hidden(material)
    arm = found.arms.get(material.student or "") if found else None
    if arm is None or arm.drift is None:
        said = "Not comparable: the student's strict score is undecided on hidden or on val."
        return Fact(question=question, marker="not known", said=said, run=SCORE_HIDDEN)
    return on_hidden(arm, arm.drift)


def on_hidden(arm: HiddenArm, one: DistributionShift) -> Fact:
    """What a student's drift from val to the hidden rows says of its number."""
    question = "Holds on hidden rows?"
    said = (
        f"By the must-rules that need no label the student keeps {percent(one.hidden.value)} "
        f"(n = {one.hidden.n}) on hidden and {percent(one.val.value)} (n = {one.val.n}) on val: "
        f"{moved(one)}."
    )
    if one.low <= 0 <= one.high:
        marker: Marker = "yes" if max(-one.low, one.high) < NARROW else "with care"
        said += " No clear difference; the interval says how large one may be."
    else:
        marker = "no" if one.high < 0 else "with care"
    return Fact(question=question, marker=marker, said=f"{said} {_corrected(arm.corrected)}")


def _corrected(one: Corrected) -> str:
    if one.refused is not None:
        return "Both are raw, not corrected by people's labels."
    rate = f"{percent(one.value)} {interval(one.low, one.high)}"
    return f"Corrected by people's labels, {rate} of the hidden answers are good."


def _uncalibrated(question: str, material: RunFiles) -> Fact:
    assert isinstance(material.calibration, Refusal)  # the caller found no summary
    if not material.run.calibration.exists():
        return _not_run(question, CALIBRATE)
    said = "The calibration is of another judge; see the section on the judge."
    return Fact(question=question, marker="not known", said=said, run=CALIBRATE)


def _not_run(question: str, command: str) -> Fact:
    return Fact(question=question, marker="not known", said="Not run.", run=command)
