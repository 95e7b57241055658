"""The numbers of a report, as `report.json` keeps them for programs and as the pages show them.

Knows which numbers belong to the report; leaves their measuring to the judge.
"""

from data.records import Record
from judge.records import Agreement, ArmScore, Comparison, ContextScore, JudgeNote, ReferenceScore
from report.calibration import Calibrated, People, people, summary
from report.gates import Threshold, gates
from report.gather import RunFiles
from report.headline import Gap, gap_of, headline, warnings
from report.hidden import Hidden, hidden
from report.slices import Slices, slices
from report.tokens import Tokens, count_tokens
from report.trust import Fact, trust
from student.records import RankedStudent, SearchResult


class Numbers(Record):
    """report.json. Rates are shares, 0 … 1."""

    name: str
    headline: str
    best: str | None  # name of the best student
    gap_closed: Gap
    arms: dict[str, ArmScore]
    comparisons: tuple[Comparison, ...]  # of the best student, strict and by rule
    slices: Slices | None  # None: not judged, or the rule file names no field
    references: dict[str, ReferenceScore]
    contexts: ContextScore | None  # the passages against the best logged answers
    tokens: Tokens | None
    judge: JudgeNote | None
    agreements: tuple[Agreement, ...]
    trust: tuple[Fact, ...]  # whether gap and strict adherence can be believed
    gates: tuple[Threshold, ...]  # of judge.gate; empty: none is set
    calibration: Calibrated | None
    calibration_refused: str | None  # why there is none, or what differs from this judge
    people: dict[str, People]  # labelled arm → what people's labels of its answers say
    hidden: Hidden | None
    students: tuple[RankedStudent, ...]  # best first
    search: SearchResult | None  # None: nothing was searched
    timings: dict[str, float] | None  # stage → seconds
    warnings: tuple[str, ...]
    not_run: tuple[str, ...]  # parts of the run that were not there


def make_numbers(material: RunFiles) -> Numbers:
    """The numbers of a run; a part that was not run is None or empty, and named in `not_run`."""
    gap = gap_of(material)
    judged, choice, timings = material.judged, material.choice, material.timings
    arms = judged.scores.arms if judged else {}
    compared = judged.scores.comparisons if judged else ()
    return Numbers(
        name=material.config.name,
        headline=headline(gap),
        best=choice.best if choice else None,
        gap_closed=gap,
        arms=arms,
        comparisons=tuple(one for one in compared if one.student == material.student),
        slices=slices(material),
        references={arm: score.reference for arm, score in arms.items() if score.reference},
        contexts=judged.contexts if judged else None,
        tokens=count_tokens(material),
        judge=judged.judge if judged else None,
        agreements=tuple(judged.agreements) if judged else (),
        trust=trust(material),
        gates=gates(material),
        calibration=summary(material),
        calibration_refused=material.refused,
        people=people(material),
        hidden=hidden(material),
        students=choice.ranked if choice else (),
        search=material.search,
        timings=None if timings is None else dict(timings),
        warnings=warnings(material),
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
