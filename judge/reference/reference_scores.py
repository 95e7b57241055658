"""Closeness of an arm's answers to the best logged ones, and how likely an arm finds those.

Knows how the logs' labels name the better answer. A reference metric says how alike two texts are,
not which one is right: it stands beside the rules, never for them.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from sacrebleu.metrics import BLEU, CHRF

from data.answers import Answer
from data.rows import Row
from judge.labels import best_by_row
from judge.records import Perplexity, ReferenceScore
from judge.reference.bertscore import BertScorer
from judge.reference.overlap import supported
from judge.reference.rouge import rouge


def reference_scores(
    answers: Sequence[Answer],
    rows: Sequence[Row],
    scored: Mapping[str, Sequence[Answer]],
    bert: BertScorer | None = None,
) -> dict[str, ReferenceScore]:
    """The scores of every arm that answered a row with a reference.

    `scored`: arm → the best logged answers with their logprobs behind its view of the rows.
    """
    likely = perplexities(scored)
    found = {}
    for arm in dict.fromkeys(answer.arm for answer in answers):
        score = reference_score([one for one in answers if one.arm == arm], rows, bert)
        if score is not None:
            found[arm] = score.model_copy(update={"perplexity": likely.get(arm)})
    return found


def reference_score(
    answers: Sequence[Answer], rows: Sequence[Row], bert: BertScorer | None = None
) -> ReferenceScore | None:
    """The closeness of one arm; None when no answered row has a reference.

    chrF++ (Popović 2017) and BLEU are of the whole set, ROUGE and BERTScore means over answers. An
    empty answer counts as the empty text that it is; one that was never asked does not count.
    """
    references = best_by_row(rows)
    asked = [a for a in answers if a.finish != "too_long" and a.row in references]
    if not asked:
        return None
    texts, given = [answer.text for answer in asked], [references[answer.row] for answer in asked]
    columns = [[_at(one, place) for one in given] for place in range(max(map(len, given)))]
    chrf, bleu = CHRF(word_order=2), BLEU()
    shared = [rouge(text, one) for text, one in zip(texts, given, strict=True)]
    by_id = {row.id: row for row in rows}
    return ReferenceScore(
        chrf=chrf.corpus_score(texts, columns).score,
        bleu=bleu.corpus_score(texts, columns).score,
        rouge1=100 * fmean(one.one for one in shared),
        rouge2=100 * fmean(one.two for one in shared),
        rouge_l=100 * fmean(one.longest for one in shared),
        n=len(asked),
        chrf_signature=str(chrf.get_signature()),
        bleu_signature=str(bleu.get_signature()),
        supported=supported((by_id[answer.row], answer) for answer in asked),
        bertscore=bert.score(texts, given) if bert else None,
    )


def _at(texts: list[str], place: int) -> str | None:
    return texts[place] if place < len(texts) else None  # sacrebleu: fewer references than others


def perplexities(scored: Mapping[str, Sequence[Answer]]) -> dict[str, Perplexity]:
    """exp(−Σ logprob / Σ tokens) of the best logged answers, by arm (Jelinek et al. 1977).

    Only over the answers that every arm has scored: else the arms would not be measured on the same
    tokens. None of them: no arm has a perplexity.
    """
    logprobs = {
        arm: {(one.row, one.sample): one.logprobs for one in ones if one.logprobs is not None}
        for arm, ones in scored.items()
        if ones
    }
    asked = {(one.row, one.sample) for ones in scored.values() for one in ones}
    common = [place for place in asked if all(place in ones for ones in logprobs.values())]
    if not common:
        return {}
    return {
        arm: _perplexity([ones[place] for place in common], len(asked) - len(common))
        for arm, ones in logprobs.items()
    }


def _perplexity(answers: Sequence[Sequence[float]], left_out: int) -> Perplexity:
    tokens = sum(map(len, answers))
    value = math.exp(-math.fsum(map(math.fsum, answers)) / tokens)
    return Perplexity(value=value, n=len(answers), tokens=tokens, left_out=left_out)
