"""The records of comparisons with the best logged answers; they decide no rule."""

from data.records import Record


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
