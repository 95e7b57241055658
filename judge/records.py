"""The records of `scores.json` and `hidden.json`: scores, comparisons, agreement, the judge.

A number that the verdicts do not determine is None. Rates are shares, 0 … 1.
"""

from dataclasses import asdict
from typing import Self

from data.records import Record
from judge.case_records import ConditionalRule, ServeDecision
from judge.choice_correction import ChoiceCorrection
from judge.judge_note import JudgeFingerprint, JudgeNote
from judge.metrics.interval import Interval, Measurement, Refusal
from judge.metrics.verdict_table import BY_CODE, BY_CODE_LABEL_FREE, LABEL_FREE, STRICT
from judge.reference.records import ContextScore, ReferenceScore
from judge.verdict import Missing

BASE, TEACHER = "base", "teacher"  # the arms that students are compared with


class BoundedRate(Record):
    """A pass rate over the decided verdicts, and how far the missing ones could move it."""

    rate: float | None
    low: float | None  # 95 % interval of the rate
    high: float | None
    low_bound: float | None  # the rate if all missing verdicts failed …
    high_bound: float | None  # … or all passed


class RuleScore(BoundedRate):
    """One rule on one arm: applicable = scored + missing, rate = passes / scored."""

    must: bool
    applicable: int
    scored: int
    passes: int
    missing: dict[Missing, int]  # reason → verdicts
    failures_at_most: float | None  # 95 % upper bound of the failure rate after no failure


class StrictScore(BoundedRate):
    """Share of rows on which every must-rule passes, over the `n` rows that have all verdicts.

    Rate and interval of the best student are corrected for its choice, see `ChoiceCorrection`; the
    bounds are not.
    """

    n: int
    # rows without an answer or a verdict; those that failed another must-rule fail in any case
    missing: int


class ArmScore(Record):
    """All scores of one arm."""

    strict: StrictScore
    label_free: StrictScore  # over the must-rules that need no label; on hidden rows too
    # over the must-rules that code decides; None in files written before this field existed
    by_code: StrictScore | None = None
    by_code_label_free: StrictScore | None = None  # over those of them that need no label
    rules: dict[str, RuleScore]
    reference: ReferenceScore | None = None

    def of(self, name: str) -> StrictScore:
        """The strict score of this name, one of those in `judge.metrics.verdict_table`."""
        scores = {
            STRICT: self.strict,
            LABEL_FREE: self.label_free,
            BY_CODE: self.by_code,
            BY_CODE_LABEL_FREE: self.by_code_label_free,
        }
        return scores[name] or self.strict


class Comparison(Record):
    """An arm, mostly a student, against another arm on the rows decided in both."""

    student: str
    against: str
    what: str  # "strict", "strict without labels", or the id of a rule
    n: int
    difference: float | None  # student − against, a share; less what its choice took off
    low: float | None  # 95 % interval of the difference, clustered by question
    high: float | None
    better: int  # rows on which only the student passes
    worse: int  # rows on which only the other arm passes
    p: (
        float | None
    )  # of a rule, exact sign-flip test by question; of a strict score, its interval's
    p_holm: float | None  # of a rule, adjusted over the rules; `compare`: over all pairs


class EstimateOrReason(Record):
    """A number with its 95 % interval, or why it is not stated."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    refused: str | None = None

    @classmethod
    def of(cls, estimate: Interval | Refusal, **fields: str | int) -> Self:
        """The record of an estimate, with the `fields` of a subclass."""
        if isinstance(estimate, Refusal):
            return cls(refused=estimate.reason, **fields)
        return cls(**asdict(estimate), **fields)


class GapScore(EstimateOrReason):
    """(student − base) / (teacher − base) on the strict scores of the headline."""

    student: str
    n: int  # rows decided in all three arms


class SliceScore(Record):
    """The strict score on the rows with one value of a field: exploratory."""

    arm: str
    field: str
    value: str
    strict: StrictScore


class RuleSlice(Record):
    """One rule on the rows with one value of a field, of one arm: exploratory."""

    field: str
    value: str
    rule: str
    rate: Measurement


class DistributionShift(Record):
    """A measure of the hidden set against the same measure of val: independent samples."""

    arm: str | None  # None: measured on the rows
    # "applicable: RULE" (share of rows), "words" (per answer), a strict score, or a rule's rate
    what: str
    val: Measurement
    hidden: Measurement
    difference: float  # hidden − val
    low: float  # 95 % interval of the difference
    high: float

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


class Scores(Record):
    """The scores of all arms on one set of rows."""

    rules_sha256: str  # only scores with equal hashes are comparable
    rows: int
    arms: dict[str, ArmScore]
    comparisons: tuple[Comparison, ...]
    gaps: tuple[GapScore, ...]
    slices: tuple[SliceScore, ...]
    slices_hidden: int  # values of a field with fewer than ten decided rows in every arm
    headline: str = STRICT  # the strict score of cards, gap, gates and slices
    headline_label_free: str = LABEL_FREE  # the same on rows without labels
    # must-rules on which a language model gave no verdict at all for base, teacher or best student
    not_judged: tuple[str, ...] = ()
    # None: no best student is chosen, or the file was written before this field existed
    choice: ChoiceCorrection | None = None

    def not_stated(self, name: str) -> str | None:
        """Why only the rules in code make up the strict score `name`; None where all rules do."""
        whole = {BY_CODE: STRICT, BY_CODE_LABEL_FREE: LABEL_FREE}.get(name)
        if whole is None:
            return None
        rules = ", ".join(self.not_judged) or "every must-rule on one answer"
        why_this = ", the score by which students are chosen" if name == BY_CODE else ""
        return (
            f"“{whole}” is not stated: no language model has judged {rules}. In its place stands "
            f"“{name}”{why_this}."
        )

    def strict_of(self, arm: str) -> StrictScore | None:
        """The strict score of the headline; None for an arm without scores."""
        return self.arms[arm].of(self.headline) if arm in self.arms else None


class RaterAgreement(Record):
    """Two raters on the same answers, the first of them the gold; 95 % intervals."""

    n: int  # answers that both decided
    missing: int  # answers that the gold decides and the judge was asked about, without its verdict
    true_pass: int
    false_pass: int  # gold fails, the judge passes
    false_fail: int  # gold passes, the judge fails
    true_fail: int
    accuracy: Interval | None
    balanced_accuracy: float | None
    kappa: Interval | None  # Cohen's; None when undefined, or with answers to one question only
    ac1: float | None  # Gwet's: does not fall to 0 where nearly all pass
    tpr: Interval | None  # share of what passes that the judge passes
    tnr: Interval | None  # share of what fails that the judge fails
    j: float | None  # TPR + TNR − 1
    j_low: float | None = None  # its interval; absent in files written before this field existed
    j_high: float | None = None

    @property
    def kappa_words(self) -> str:
        """κ in words, by Landis & Koch (1977): a convention, not a test, but for the first."""
        if self.kappa is None:
            return "undefined"
        if self.kappa.low <= 0:
            return "not clearly better than chance"
        bounds = {0.2: "slight", 0.4: "fair", 0.6: "moderate", 0.8: "substantial"}
        words = (word for bound, word in bounds.items() if self.kappa.value <= bound)
        return f"{next(words, 'near perfect')} agreement"

    def of_models(self, first: str, second: str) -> str:
        """How far two models agree, in words."""
        kappa = "undefined"
        if self.kappa is not None:
            kappa = f"{self.kappa.value:.2f} [{self.kappa.low:.2f}, {self.kappa.high:.2f}]"
        differing = self.false_pass + self.false_fail
        return (
            f"{first} and {second}: Cohen’s κ {kappa} on {self.n} verdicts; {differing} on which "
            "they disagree are missing"
        )

    @property
    def youden(self) -> Interval | None:
        """J with its interval; None where it is undefined or the file has none."""
        if self.j is None or self.j_low is None or self.j_high is None:
            return None
        return Interval(self.j, self.j_low, self.j_high)


class ShadowAgreement(RaterAgreement):
    """An llm rule compared with the code rule that it shadows, which is the gold."""

    code_rule: str
    llm_rule: str


class JudgeResult(Record):
    """judge/scores.json of val, and judge/hidden.json of the unlabelled rows."""

    scores: Scores
    agreements: list[ShadowAgreement]
    between_judges: RaterAgreement | None = None  # the second model against the first; None: one
    arms: list[str]  # judged by the language model
    judge: JudgeNote | None  # None: code rules only
    fingerprint: JudgeFingerprint | None = None  # absent in files of before this field existed
    contexts: ContextScore | None = None  # None: no row has passages and a reference
    conditional_rules: tuple[ConditionalRule, ...] = ()
    # of val, once the best student is chosen; None in files written before this field existed
    serving: ServeDecision | None = None
