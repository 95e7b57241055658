"""Word overlap of passages, answers and references; no model is asked.

Context recall and precision measure the retrieval against the best logged answers: they belong to
the rows and are the same for every arm. Lexical grounding measures an arm's answers against their
passages. Words match only as written: an inflected form is another word, so Russian shares are
lower than English ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from data.answers import Answer
from data.rows import Row
from data.words import is_character, split_terms
from judge.checks.text import fold
from judge.reference.records import ContextScore, Mean

MIN_LETTERS = 4  # a shorter word is a content word only if it holds a digit
# Share of the reference's words from which a passage is relevant. In the demo's and the campus logs
# the precision of a row's own passages is then 0.63 and 0.52, of another row's 0.05 and 0.00.
RELEVANT = 0.2


def content_words(text: str) -> set[str]:
    """The distinct folded words of MIN_LETTERS letters or more, or with a digit.

    In scripts without spaces: pairs of neighbouring characters.
    """
    terms = split_terms(fold(text))
    return {
        term
        for term in terms
        if len(term) >= MIN_LETTERS or any(map(str.isdigit, term)) or is_character(term)
    }


def context_score(
    rows: Sequence[Row], references: Mapping[str, Sequence[str]]
) -> ContextScore | None:
    """Context recall and precision over the rows that have passages and a reference with words.

    After Ragas (Es et al. 2023, arXiv 2309.15217), with words in place of its LLM's judgements.
    Recall: share of the reference's content words that occur in the passages. Precision: mean of
    precision@k over the ranks k of the relevant passages, 0 where none is. Of several references
    each measure takes the one with the highest value. None when there is no such row.
    """
    recalls, precisions = [], []
    for row in rows:
        passages = [content_words(passage.text) for passage in row.contexts]
        row_references = list(filter(None, map(content_words, references.get(row.id, ()))))
        if passages and row_references:
            in_passages = set().union(*passages)
            recalls.append(max(_overlap(ref, in_passages) for ref in row_references))
            precisions.append(max(_average_precision(ref, passages) for ref in row_references))
    if not recalls:
        return None
    return ContextScore(recall=fmean(recalls), precision=fmean(precisions), n=len(recalls))


def lexical_grounding(pairs: Iterable[tuple[Row, Answer]]) -> Mean | None:
    """Mean share of an answer's content words that occur in its passages or the question.

    Each answer comes with its row; its passages are those that fitted into its prompt. Over the
    answers with content words; None when there is none.
    """
    shares = []
    for row, answer in pairs:
        answer_words = content_words(answer.text)
        if answer_words:
            sources = [row.question, *(passage.text for passage in answer.shown(row).contexts)]
            shares.append(_overlap(answer_words, set().union(*map(content_words, sources))))
    return Mean(value=fmean(shares), n=len(shares)) if shares else None


def _overlap(part: set[str], whole: set[str]) -> float:
    return len(part & whole) / len(part)


def _average_precision(reference: set[str], passages: Sequence[set[str]]) -> float:
    ranks = [k for k, text in enumerate(passages, 1) if _overlap(reference, text) >= RELEVANT]
    return fmean(hits / k for hits, k in enumerate(ranks, 1)) if ranks else 0.0
