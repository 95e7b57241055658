"""What the passages have to do with an answer, by words alone: no model is asked.

Context recall and precision measure the retrieval against the best logged answer: they are of the
rows, the same for every arm. `supported` measures an arm's answer against its passages. Words must
match as written: an inflected form is another word, so Russian shares are lower than English ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from data.answers import Answer
from data.rows import Row
from judge.checks.text import words
from judge.records import ContextScore, Mean

LETTERS = 4  # a word from so many on says something; shorter ones only where they hold a digit
# Share of the reference's words from which a passage is relevant. In the demo's and the campus logs
# the precision of a row's own passages is then 0.63 and 0.52, of another row's 0.05 and 0.00.
RELEVANT = 0.2


def content_words(text: str) -> set[str]:
    """The distinct folded words that say something."""
    return {word for word in words(text) if len(word) >= LETTERS or any(map(str.isdigit, word))}


def context_score(
    rows: Sequence[Row], references: Mapping[str, Sequence[str]]
) -> ContextScore | None:
    """Context recall and precision over the rows that have passages and a reference with words.

    After Ragas (Es et al. 2023, arXiv 2309.15217), with words in place of its LLM's judgements.
    Recall: share of the reference's content words that occur in the passages. Precision: mean of
    precision@k over the ranks k of the relevant passages, 0 where none is. Of several references
    the one that the measure likes best. None when there is no such row.
    """
    recalls, precisions = [], []
    for row in rows:
        passages = [content_words(passage.text) for passage in row.contexts]
        wanted = [content_words(text) for text in references.get(row.id, ())]
        wanted = [reference for reference in wanted if reference]
        if passages and wanted:
            held = set().union(*passages)
            recalls.append(max(_share(reference, held) for reference in wanted))
            precisions.append(max(_precision(reference, passages) for reference in wanted))
    if not recalls:
        return None
    return ContextScore(recall=fmean(recalls), precision=fmean(precisions), n=len(recalls))


def supported(pairs: Iterable[tuple[Row, Answer]]) -> Mean | None:
    """Mean share of an answer's content words that its passages or the question hold.

    Each answer comes with its row; the passages are those that it was shown. Over the answers that
    have such words; None when none has.
    """
    shares = []
    for row, answer in pairs:
        own = content_words(answer.text)
        if own:
            given = [row.question, *(passage.text for passage in answer.shown(row).contexts)]
            shares.append(_share(own, set().union(*map(content_words, given))))
    return Mean(value=fmean(shares), n=len(shares)) if shares else None


def _share(words_of: set[str], among: set[str]) -> float:
    return len(words_of & among) / len(words_of)


def _precision(reference: set[str], passages: Sequence[set[str]]) -> float:
    """Average precision of the ranking."""
    ranks = [k for k, one in enumerate(passages, 1) if _share(reference, one) >= RELEVANT]
    return fmean(hit / k for hit, k in enumerate(ranks, 1)) if ranks else 0.0
