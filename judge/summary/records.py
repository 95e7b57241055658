"""The records of `judge/summary.json`: what the report shows beside the scores of each split.

Rates are shares, 0 … 1, with 95 % intervals. A number that could not be measured is None, with the
reason beside it.
"""

from typing import Literal

from data.records import Record
from judge.judge_note import JudgeNote
from judge.metrics.interval import Interval
from judge.metrics.verdict_table import LABEL_FREE
from judge.records import (
    DistributionShift,
    EstimateOrReason,
    RaterAgreement,
    RuleSlice,
    StrictScore,
)

GateOutcome = Literal["pass", "fail", "undecided", "inconclusive", "uncalibrated"]

NOT_SUMMARISED = "the judge has not summarised this run; run `unprompted judge CONFIG score`"


class GateResult(Record):
    """One threshold and the measurement that was compared with it."""

    name: str  # as in judge.gate
    outcome: GateOutcome
    message: str  # measured value, interval, threshold
    details: str = ""  # what would help, a line per reason


class MutationTotals(Record):
    """Mutation tests of the code rules: mutants of answers that obey, and harmless copies."""

    rules: int  # scored rules that were tested
    mutants: int
    killed: int
    copies: int
    passed: int  # copies
    missed: tuple[str, ...]  # operators that killed fewer than half, with rule and counts


class AttackTotals(Record):
    """The attack suite under one strict score."""

    texts: int
    rows: int  # rows on which code tried each text
    through: int  # texts that passed on some row
    undecided: int  # texts that passed nowhere and are undecided somewhere
    escapes: int  # texts that left their fence
    by_model: bool  # the language model was asked too


class CalibrationTotals(Record):
    """The calibration in short."""

    model: str | None  # None: only the code rules were calibrated
    score: str  # the strict score of the attacks shown, see judge.calibration.variants
    useful: str | None  # the useful score below; None: the rule file names no rule of one
    people: RaterAgreement | None  # that score against people's labels
    # the same, by rules and thresholds chosen without the question they are tested on
    people_left_out: RaterAgreement | None
    # of the best student's answers to val, the share that people would call good
    corrected: EstimateOrReason
    mutations: MutationTotals
    attacks: AttackTotals
    disagreement_count: int


class LabelEstimate(Record):
    """An arm's rate of good answers, estimated in three ways.

    Each is less what the choice of the best student took off.
    """

    answers: int  # of the arm: labelled or not
    labelled: int
    blank: int
    people: Interval  # of the labelled answers, the good ones
    judge: Interval | None  # strict score of all answers that it decides
    judge_missing: int  # answers whose strict score is missing
    powered: Interval  # PPI++: people's labels with the judge's scores of all answers
    weight: float  # PPI++'s λ: 0 takes nothing from the judge, 1 all of it


class LabelledArm(Record):
    """The estimate from people's labels of an arm, or why there is none."""

    estimate: LabelEstimate | None = None
    refused: str | None = None


class LabelDifference(EstimateOrReason):
    """An arm's rate of good answers − that of another arm, from people's labels of both (PPI++)."""

    student: str
    against: str
    rows: int = 0  # that both arms answered
    labelled: int = 0  # of them with a label of the student's answer
    labelled_against: int = 0  # … and of the other arm's
    labelled_both: int = 0  # … and of both: these narrow the interval


class HiddenArm(Record):
    """The strict score of the hidden set on both splits."""

    val: StrictScore | None
    hidden: StrictScore
    shift: DistributionShift | None  # hidden − val; None where one of the two is undecided
    corrected: EstimateOrReason  # of the answers, the share that people would call good


class HiddenSummary(Record):
    """The hidden set compared with val."""

    score: str = LABEL_FREE  # the strict score of `arms`
    not_stated: str | None = None  # why only rules in code make it up
    calibrated: bool | None  # the language model that judged; None: code alone
    arms: dict[str, HiddenArm]  # base and best student
    # all measures but the strict scores; None: the current rules have not judged both splits
    shifts: tuple[DistributionShift, ...] | None


class TokenSavings(Record):
    """Prompt tokens per request, over the val rows that both teacher and base answered."""

    rows: int
    prompted: float  # mean of the teacher's requests
    unprompted: float  # mean of the base's requests, which are the student's
    saved: float  # mean of the differences
    saved_least: int
    saved_most: int

    @property
    def share(self) -> float:
        """Share of the prompted request that is saved."""
        return self.saved / self.prompted


class AgreeingArms(Record):
    """All arms, where every rule decides the same on each row whoever answers."""

    arms: tuple[str, ...]
    rows: int


class JudgeSummary(Record):
    """judge/summary.json. The default values describe a run without one."""

    rules_sha256: str = ""
    prompt_sha256: str = ""
    student: str | None = None  # arm of the best student
    judge: JudgeNote | None = None  # the model that judged val, calibrated or not as of now
    llm_must: tuple[str, ...] = ()  # must-rules in whose verdicts a language model has a part
    calibration: CalibrationTotals | None = None
    calibration_refused: str | None = NOT_SUMMARISED  # None: judge/calibration.json is this judge's
    rule_slices: tuple[RuleSlice, ...] = ()  # of the best student
    gates: tuple[GateResult, ...] = ()  # empty: no threshold is set
    labelled: dict[str, LabelledArm] = {}
    # best student − teacher; None: people did not label answers of both
    label_difference: LabelDifference | None = None
    hidden: HiddenSummary | None = None
    hidden_refused: str | None = NOT_SUMMARISED
    tokens: TokenSavings | None = None
    agreeing: AgreeingArms | None = None  # None: the arms differ, or fewer than two were judged
