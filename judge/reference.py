"""Closeness of an arm's answers to the best logged ones: chrF++ and BLEU over the whole set.

Knows how the logs' labels name the better answer. A reference metric says how alike two texts are,
not which one is right: it stands beside the rules, never for them.
"""

from collections.abc import Sequence

from sacrebleu.metrics import BLEU, CHRF

from data.answers import Answer
from data.rows import Row
from judge.tables import ReferenceScore
from judge.text import fold

PRODUCTION = "production"
_BOTH = ("оба хорошо", "both good")


def preferred(row: Row) -> list[str]:
    """The rival systems that the labels call best: one, all when all are good, or none.

    A label counts for every system whose name it holds ("GigaChat" → giga).
    """
    labels = [fold(label) for label in row.labels or ()]
    rivals = [name for name in row.answers if name != PRODUCTION]
    both = any(phrase in label for label in labels for phrase in _BOTH)
    return [name for name in rivals if both or any(fold(name) in label for label in labels)]


def best_logged(row: Row) -> list[str]:
    """The logged answers that the labels call best: one, two when both are, or none.

    Without a label that names one the production answer stands in, where there is one.
    """
    names = preferred(row) or [PRODUCTION]
    texts = [row.answers[name] for name in names if name in row.answers]
    return [text for text in texts if text.strip()]


def reference_score(answers: Sequence[Answer], rows: Sequence[Row]) -> ReferenceScore | None:
    """chrF++ (Popović 2017) and BLEU of one arm; None when no answered row has a reference.

    An empty answer counts as the empty text that it is; one that was never asked does not count.
    """
    references = {row.id: best_logged(row) for row in rows}
    asked = [a for a in answers if a.finish != "too_long" and references.get(a.row)]
    if not asked:
        return None
    texts = [answer.text for answer in asked]
    most = max(len(references[answer.row]) for answer in asked)
    columns = [[_at(references[answer.row], place) for answer in asked] for place in range(most)]
    chrf, bleu = CHRF(word_order=2), BLEU()
    return ReferenceScore(
        chrf=chrf.corpus_score(texts, columns).score,
        bleu=bleu.corpus_score(texts, columns).score,
        n=len(asked),
        chrf_signature=str(chrf.get_signature()),
        bleu_signature=str(bleu.get_signature()),
    )


def _at(texts: list[str], place: int) -> str | None:
    return texts[place] if place < len(texts) else None  # sacrebleu: fewer references than others
