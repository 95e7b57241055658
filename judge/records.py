"""The records of `scores.json`: what was measured, on how many verdicts, and how surely.

A number that the verdicts do not decide is None. Rates are shares, 0 … 1.
"""

from data.records import Record
from judge.verdict import Missing


class RuleScore(Record):
    """One rule on one arm. due = scored + missing; the rate is passes / scored."""

    must: bool
    due: int
    scored: int
    passes: int
    missing: dict[Missing, int]  # reason → verdicts
    rate: float | None
    low: float | None  # 95 % interval of the rate
    high: float | None
    low_bound: float | None  # the rate if all missing verdicts failed …
    high_bound: float | None  # … or all passed
    failures_at_most: float | None  # 95 % upper bound of the failure rate when none was seen


class StrictScore(Record):
    """Share of rows on which every must-rule passes, over the `n` rows that are decided."""

    rate: float | None
    low: float | None
    high: float | None
    n: int
    missing: int
    low_bound: float | None
    high_bound: float | None


class Mean(Record):
    """The mean over `n` answers."""

    value: float
    n: int


class Perplexity(Record):
    """exp of the mean negative log-likelihood per token of best logged answers, 1 … ∞."""

    value: float
    n: int  # reference answers, the same ones for every arm
    tokens: int  # of those, the token that ends the turn included
    left_out: int  # reference answers that some arm has not scored: too long with its prompt


class BertScore(Record):
    """Mean F1 of greedily matched word vectors, −100 … 100."""

    value: float
    n: int  # answers
    too_long: int  # answers left out: longer than the model takes
    model: str
    layer: int  # whose output was compared


class ReferenceScore(Record):
    """Closeness to the best logged answer, 0 … 100, over the `n` rows that have one."""

    chrf: float
    bleu: float
    rouge1: float
    rouge2: float
    rouge_l: float
    n: int
    chrf_signature: str  # sacrebleu's: what exactly was computed
    bleu_signature: str
    supported: Mean | None  # share, 0 … 1, of an answer's content words in passages or question
    bertscore: BertScore | None = None  # None: not asked for
    perplexity: Perplexity | None = None  # None: the arm's model was not asked


class ContextScore(Record):
    """How the retrieved passages fit the best logged answers: shares, means over `n` rows."""

    recall: float
    precision: float
    n: int


class ArmScore(Record):
    """Everything about one arm."""

    strict: StrictScore
    decidable: StrictScore  # over the must-rules that need no label: val and hidden rows alike
    rules: dict[str, RuleScore]
    reference: ReferenceScore | None = None


class Comparison(Record):
    """A student against another arm on the rows decided in both."""

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


class GapScore(Record):
    """(student − base) / (teacher − base) on strict scores, or why it is not stated."""

    student: str
    n: int  # rows decided in all three arms
    value: float | None
    low: float | None
    high: float | None
    refused: str | None


class SliceScore(Record):
    """The strict score on the rows with one value of a field: exploratory."""

    arm: str
    field: str
    value: str
    strict: StrictScore


class Measured(Record):
    """A quantity with its 95 % interval, from `n` observations."""

    n: int
    value: float
    low: float
    high: float


class RuleSlice(Record):
    """One rule on the rows with one value of a field, of one arm: exploratory."""

    field: str
    value: str
    rule: str
    rate: Measured


class DistributionShift(Record):
    """The hidden set against val: two samples of rows with nothing in common."""

    arm: str | None  # None: of the rows themselves
    what: str  # "due: RULE" (share of rows), "words" (per answer), a strict score, a rule's rate
    val: Measured
    hidden: Measured
    difference: float  # hidden − val
    low: float  # 95 % interval of the difference
    high: float


class Scores(Record):
    """The scores of all arms on one set of rows."""

    rules_sha256: str  # of the rules as they were scored: what may be compared with what
    rows: int
    arms: dict[str, ArmScore]
    comparisons: tuple[Comparison, ...]
    gaps: tuple[GapScore, ...]
    slices: tuple[SliceScore, ...]
    slices_hidden: int  # values of a field with fewer than ten decided rows in every arm
