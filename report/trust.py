"""Whether the headline's number can be believed: questions, each with a verdict and its numbers.

Plain text for every page. Knows how good a measure must be.
"""

from collections.abc import Callable
from typing import Literal

from data.records import Record
from data.stored_file import is_stored
from judge.metrics.interval import Interval
from judge.records import DistributionShift
from judge.summary.records import CalibrationTotals, HiddenArm
from report.formats import decimal, interval, listed, percent, signed_points
from report.run_files import RunFiles

Marker = Literal["yes", "with care", "no", "not known"]

SCORE = "unprompted judge CONFIG score"
SCORE_HIDDEN = f"{SCORE} --split hidden"
CALIBRATE = "unprompted judge CONFIG calibrate"
GOOD_SHARE = 0.95  # of mutants killed, of copies passed, of hostile texts stopped
FAIR_KAPPA = 0.4  # κ above it is more than slight agreement (Landis & Koch 1977: fair up to 0.4)
SMALL_SHIFT = 0.1  # a difference between val and hidden that is surely smaller is harmless

_Answer = tuple[Marker, str, str | None]  # the fields of a TrustFact behind its question


class TrustFact(Record):
    """One reason to believe the number, or not to."""

    question: str  # yes speaks for the number
    marker: Marker
    answer: str  # plain text
    run: str | None = None  # the command that measures what is not known


def list_trust_facts(material: RunFiles) -> tuple[TrustFact, ...]:
    """The facts in the order in which they are shown."""
    answers = {
        "Decided by code?": _decided_by_code(material),
        "All verdicts there?": _missing(material),
        "Breaches caught?": _calibrated(material, _mutations),
        "Safe from tricks?": _calibrated(material, _attacks),
        "People agree?": _calibrated(material, _people),
        "Holds on hidden rows?": _hidden(material),
    }
    return tuple(
        TrustFact(question=question, marker=marker, answer=answer, run=run)
        for question, (marker, answer, run) in answers.items()
    )


def _decided_by_code(material: RunFiles) -> _Answer:
    if material.judged is None or material.summary.rules_sha256 == "":
        return "not known", "Not run.", SCORE
    must = sum(scored.must for scored in material.rules.scored_rules())
    by_llm, note = material.summary.llm_must, material.judged.judge
    calibrated = note is not None and note.calibrated
    state = "calibrated against people" if calibrated else "not calibrated"
    if not by_llm:
        answer = f"All {must} must-rules are decided by code, reproducibly."
        if note:  # people's labels were compared with code's strict score, whatever the model is
            answer += f" The LLM judge ({note.model}) "
            answer += "decides none of them." if calibrated else f"is {state} and decides none."
        return "yes", answer, None
    judge = f"the LLM judge ({note.model}), {state}" if note else "an LLM judge, which was not run"
    answer = (
        f"{must - len(by_llm)} of {must} must-rules are decided by code, reproducibly; "
        f"{listed(by_llm)} by {judge}."
    )
    if note is None:
        return "not known", answer, SCORE
    return ("with care", answer, None) if calibrated else ("no", answer, CALIBRATE)


def _missing(material: RunFiles) -> _Answer:
    scores = {arm: score for arm in material.arms if (score := material.strict(arm))}
    if not scores:
        return "not known", "Not run.", SCORE
    shares = {
        arm: score.missing / (score.n + score.missing)
        for arm, score in scores.items()
        if score.missing
    }
    if not shares:
        total = sum(score.n for score in scores.values())
        answer = f"None of the {total} strict scores on the {len(scores)} arms shown is missing."
        return "yes", answer, None
    arm = max(shares, key=shares.__getitem__)
    worst = scores[arm]
    others = f", and some of {len(shares) - 1} other arms" if len(shares) > 1 else ""
    answer = (
        f"{worst.missing} of {worst.n + worst.missing} strict scores of {arm} are missing{others}: "
        f"with them its rate lies between {percent(worst.low_bound)} (all fail) and "
        f"{percent(worst.high_bound)} (all pass)."
    )
    few = shares[arm] <= material.config.judge.max_missing
    return "with care" if few else "no", answer, None


def _calibrated(material: RunFiles, answer: Callable[[CalibrationTotals], _Answer]) -> _Answer:
    if material.summary.calibration is not None:
        return answer(material.summary.calibration)
    reason = "Not run."
    if is_stored(material.run.calibration):
        reason = "The calibration is of a judge with another fingerprint; "
        reason += "see the section on the judge."
    return "not known", reason, CALIBRATE


def _mutations(calibration: CalibrationTotals) -> _Answer:
    totals = calibration.mutations
    if not (totals.mutants and totals.copies):
        answer = "No logged answer obeys a rule in code, so there is nothing to mutate."
        return "not known", answer, None
    killed, passed = totals.killed / totals.mutants, totals.passed / totals.copies
    answer = (
        f"Mutation test: the rules in code caught {totals.killed} of {totals.mutants} mutants "
        f"({percent(killed)}) and passed {totals.passed} of {totals.copies} harmless copies "
        f"({percent(passed)})."
    )
    if totals.missed:
        answer += f" Fewer than half caught: {listed(totals.missed)}."
    worst = min(killed, passed)
    good = worst >= GOOD_SHARE and not totals.missed
    return "yes" if good else "no" if worst < 0.5 else "with care", answer, None


def _attacks(calibration: CalibrationTotals) -> _Answer:
    totals = calibration.attacks
    if not (totals.texts and totals.rows):
        return "not known", "There was no rule to try the hostile texts on.", None
    target = "" if totals.by_model else " the rules in code"
    answer = (
        f"{totals.through} of {totals.texts} hostile texts got through{target}, each tried on "
        f"{totals.rows} val rows"
    )
    answer += f"; {totals.undecided} more are undecided." if totals.undecided else "."
    if totals.escapes:
        answer += f" {totals.escapes} leave the fence around an answer, which is a defect."
    if totals.escapes or totals.through > totals.texts * (1 - GOOD_SHARE):
        return "no", answer, None
    return "with care" if totals.through or totals.undecided else "yes", answer, None


def _people(calibration: CalibrationTotals) -> _Answer:
    people, left_out = calibration.people, calibration.people_left_out
    if calibration.useful is None:
        answer = "The rule file names no rule in useful, so people's labels are compared with none."
        return "not known", answer, None
    if people is None or not people.n or people.kappa is None:
        answer = "Too few logged answers carry a label that calls them good or bad."
        return "not known", answer, None
    answer = (
        f"Useful score and people's good or bad on {people.n} logged answers: "
        f"{people.kappa_words}, κ {_decimals(people.kappa)}."
    )
    kappa = people.kappa
    if left_out is not None and left_out.kappa is not None:
        kappa = left_out.kappa
        answer += (
            " With rules and threshold chosen without the question they are tested on: "
            f"{left_out.kappa_words}, κ {_decimals(kappa)}."
        )
    answer += " Strict adherence is no usefulness and is not compared with these labels."
    if kappa.low > 0:
        return "yes" if kappa.low > FAIR_KAPPA else "with care", answer, None
    return "no" if kappa.high < FAIR_KAPPA else "not known", answer, None


def _decimals(estimate: Interval) -> str:
    return decimal(estimate.value, estimate.low, estimate.high)


def _hidden(material: RunFiles) -> _Answer:
    hidden, refused = material.summary.hidden, material.summary.hidden_refused or ""
    if hidden is None:
        run = SCORE_HIDDEN if material.config.data.hidden else None
        return "not known", f"{refused[:1].upper()}{refused[1:]}.", run
    arm = hidden.arms.get(material.student or "")
    if arm is None or arm.shift is None:
        answer = "Not comparable: the student's strict score is undecided on hidden or on val."
        return "not known", answer, SCORE_HIDDEN
    return *judge_shift(arm, arm.shift), None


def judge_shift(arm: HiddenArm, shift: DistributionShift) -> tuple[Marker, str]:
    """What the shift of a student's strict rate from val to the hidden rows means."""
    answer = (
        f"By the must-rules that need no label the student obeys on {percent(shift.hidden.value)} "
        f"(n = {shift.hidden.n}) of hidden and {percent(shift.val.value)} (n = {shift.val.n}) of "
        f"val: {signed_points(shift.difference)} {interval(shift.low, shift.high)}."
    )
    marker: Marker = "no" if shift.high < 0 else "with care"
    if not shift.significant:
        marker = "yes" if max(-shift.low, shift.high) < SMALL_SHIFT else "with care"
        answer += " No clear difference; the interval says how large one may be."
    rate = arm.corrected
    if rate.refused is not None:
        return marker, f"{answer} Both are raw, not corrected by people's labels."
    good = f"{percent(rate.value)} {interval(rate.low, rate.high)}"
    return marker, (
        f"{answer} By people's labels of its answers to val, and if the score errs on hidden rows "
        f"alike, {good} of the hidden answers are good."
    )
