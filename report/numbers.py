"""The numbers of a report: report.json, and the values that the pages show."""

from data.records import Record
from judge.case_records import ConditionalRule, ServeReason
from judge.judge_note import JudgeNote
from judge.records import ArmScore, Comparison, GapScore, ShadowAgreement
from judge.reference.records import ContextScore, ReferenceScore
from judge.summary.records import (
    CalibrationTotals,
    GateResult,
    HiddenSummary,
    LabelDifference,
    LabelledArm,
    TokenSavings,
)
from report.headline import best_gap, headline_sentence, list_caveats, list_doubts
from report.heat_maps import HeatMaps, build_heat_maps
from report.run_files import RunFiles
from report.trust import TrustFact, list_trust_facts
from student.records import RankedStudent, SearchResult


class Numbers(Record):
    """report.json. Rates are shares, 0 … 1."""

    name: str
    headline: str
    score: str  # the name of the strict score that is the headline
    best: str | None  # name of the best student
    do_not_serve: tuple[ServeReason, ...]  # empty: nothing speaks against it, or not judged
    gap_closed: GapScore
    arms: dict[str, ArmScore]
    comparisons: tuple[Comparison, ...]  # of the best student, strict and by rule
    conditional_rules: tuple[ConditionalRule, ...]
    slices: HeatMaps | None  # None: not judged, or the rule file names no field
    references: dict[str, ReferenceScore]
    contexts: ContextScore | None  # the passages against the best logged answers
    tokens: TokenSavings | None
    judge: JudgeNote | None
    agreements: tuple[ShadowAgreement, ...]
    trust: tuple[TrustFact, ...]  # whether gap and strict adherence can be believed
    gates: tuple[GateResult, ...]  # of judge.gate; empty: none is set
    calibration: CalibrationTotals | None
    calibration_refused: str | None  # why there is none, or which part of the fingerprint differs
    people: dict[str, LabelledArm]  # estimates from people's labels, by arm
    label_difference: LabelDifference | None  # best student − teacher; None: not both are labelled
    hidden: HiddenSummary | None
    students: tuple[RankedStudent, ...]  # best first
    search: SearchResult | None  # None: nothing was searched
    timings: dict[str, float] | None  # stage → seconds that its result cost
    reused_stages: tuple[str, ...]  # whose last run found work of earlier ones
    doubts: tuple[str, ...]  # why nothing can be concluded from the run; empty: nothing says so
    warnings: tuple[str, ...]
    not_run: tuple[str, ...]  # missing parts of the run


def build_numbers(material: RunFiles) -> Numbers:
    """The numbers of a run; a part that was not run is None or empty, and named in `not_run`."""
    gap, summary = best_gap(material), material.summary
    judged, choice, timings = material.judged, material.choice, material.timings
    arms = judged.scores.arms if judged else {}
    comparisons = judged.scores.comparisons if judged else ()
    return Numbers(
        name=material.config.name,
        headline=headline_sentence(gap),
        score=material.strict_name,
        best=choice.best if choice else None,
        do_not_serve=material.reasons_not_to_serve,
        gap_closed=gap,
        arms=arms,
        comparisons=tuple(row for row in comparisons if row.student == material.student),
        conditional_rules=judged.conditional_rules if judged else (),
        slices=build_heat_maps(material),
        references={arm: score.reference for arm, score in arms.items() if score.reference},
        contexts=judged.contexts if judged else None,
        tokens=summary.tokens,
        judge=judged.judge if judged else None,
        agreements=tuple(judged.agreements) if judged else (),
        trust=list_trust_facts(material),
        gates=summary.gates,
        calibration=summary.calibration,
        calibration_refused=summary.calibration_refused,
        people=summary.labelled,
        label_difference=summary.label_difference,
        hidden=summary.hidden,
        students=choice.ranked if choice else (),
        search=material.search,
        timings=None if timings is None else timings.seconds,
        reused_stages=() if timings is None else timings.reused,
        doubts=tuple(list_doubts(material)),
        warnings=tuple(list_caveats(material)),
        not_run=_not_run(material),
    )


def _not_run(material: RunFiles) -> tuple[str, ...]:
    parts = {
        "data": material.quality,
        "manifest": material.manifest,
        "teacher": material.audit,
        "student training": material.training,
        "student prediction": material.choice,
        "judge": material.judged,
        "timings": material.timings,
    }
    return tuple(name for name, part in parts.items() if not part)
