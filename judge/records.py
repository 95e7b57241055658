"""The records of `scores.json` and `hidden.json`: scores, comparisons, agreement, the judge.

A number that the verdicts do not determine is None. Rates are shares, 0 … 1.
"""

from dataclasses import asdict
from typing import Self

from data.records import Record
from judge.case_records import ConditionalRule, ServeDecision
from judge.judge_note import JudgeFingerprint, JudgeNote
from judge.metrics.interval import Interval, Measurement, Refusal
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
    """Share of rows on which every must-rule passes, over the `n` rows that are decided."""

    n: int
    missing: int


class Mean(Record):
    """The mean over `n` answers."""

    value: float
    n: int


class Perplexity(Record):
    """exp of the mean negative log-likelihood per token of best logged answers, 1 … ∞."""

    value: float
    n: int  # reference answers, the same for every arm
    tokens: int  # of those answers, with end-of-turn tokens
    left_out: int  # reference answers that are too long behind some arm's prompt


class ReferenceScore(Record):
    """Similarity to the best logged answer, 0 … 100, over the `n` rows that have one."""

    chrf: float
    bleu: float
    rouge1: float
    rouge2: float
    rouge_l: float
    n: int
    chrf_signature: str  # sacrebleu's, with the exact settings of the metric
    bleu_signature: str
    lexical_grounding: Mean | None  # share, 0 … 1, of content words in passages or question
    perplexity: Perplexity | None = None  # None: the arm scored no logged answer


class ContextScore(Record):
    """Context recall and precision against the best logged answers: means over `n` rows."""

    recall: float
    precision: float
    n: int


class ArmScore(Record):
    """All scores of one arm."""

    strict: StrictScore
    label_free: StrictScore  # over the must-rules that need no label; on hidden rows too
    rules: dict[str, RuleScore]
    reference: ReferenceScore | None = None


class Comparison(Record):
    """An arm, mostly a student, against another arm on the rows decided in both."""

    student: str
    against: str
    what: str  # "strict", "strict without labels", or the id of a rule
    n: int
    difference: float | None  # student − against, a share
    low: float | None  # 95 % interval of the difference, clustered by question
    high: float | None
    better: int  # rows on which only the student passes
    worse: int  # rows on which only the other arm passes
    p: float | None  # exact McNemar
    p_holm: float | None  # adjusted over the rules; None for the strict scores


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
    """(student − base) / (teacher − base) on strict scores."""

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
    arms: list[str]  # judged by the language model
    judge: JudgeNote | None  # None: code rules only
    fingerprint: JudgeFingerprint | None = None  # absent in files of before this field existed
    contexts: ContextScore | None = None  # None: no row has passages and a reference
    conditional_rules: tuple[ConditionalRule, ...] = ()
    # of val, once the best student is chosen; None in files written before this field existed
    serving: ServeDecision | None = None
