"""Similarity of an arm's answers to the best logged ones, and the arm's perplexity on those.

A reference metric measures how similar two texts are, not which one is right: the report shows it
beside the rules, and nothing is decided by it.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from statistics import fmean

from sacrebleu.metrics import BLEU, CHRF

from data.answers import Answer
from data.rows import Row
from judge.labels import best_by_row
from judge.reference.overlap import lexical_grounding
from judge.reference.records import Perplexity, ReferenceScore
from judge.reference.rouge import rouge


def reference_scores(
    answers: Sequence[Answer], rows: Sequence[Row], scored: Mapping[str, Sequence[Answer]]
) -> dict[str, ReferenceScore]:
    """The scores of every arm that answered a row with a reference.

    `scored`: arm → the best logged answers with their log-probabilities under that arm.
    """
    perplexity = perplexities(scored)
    scores = {}
    for arm in dict.fromkeys(answer.arm for answer in answers):
        score = reference_score([answer for answer in answers if answer.arm == arm], rows)
        if score is not None:
            scores[arm] = score.model_copy(update={"perplexity": perplexity.get(arm)})
    return scores


def reference_score(answers: Sequence[Answer], rows: Sequence[Row]) -> ReferenceScore | None:
    """The similarity of one arm's answers; None when no answered row has a reference.

    chrF++ (Popović 2017) and BLEU are corpus scores, ROUGE is a mean over answers. An empty answer
    is scored as an empty text; an answer whose prompt did not fit is left out.
    """
    best = best_by_row(rows)
    answers = [a for a in answers if a.finish != "too_long" and a.row in best]
    if not answers:
        return None
    texts = [answer.text for answer in answers]
    references = [best[answer.row] for answer in answers]
    # sacrebleu takes the k-th references of all answers as one list, None where there is no k-th
    columns = list(zip_longest(*references))
    chrf, bleu = CHRF(word_order=2), BLEU()
    rouges = [rouge(*pair) for pair in zip(texts, references, strict=True)]
    by_id = {row.id: row for row in rows}
    return ReferenceScore(
        chrf=chrf.corpus_score(texts, columns).score,
        bleu=bleu.corpus_score(texts, columns).score,
        rouge1=100 * fmean(score.rouge1 for score in rouges),
        rouge2=100 * fmean(score.rouge2 for score in rouges),
        rouge_l=100 * fmean(score.rouge_l for score in rouges),
        n=len(answers),
        chrf_signature=str(chrf.get_signature()),
        bleu_signature=str(bleu.get_signature()),
        lexical_grounding=lexical_grounding((by_id[answer.row], answer) for answer in answers),
    )


def perplexities(scored: Mapping[str, Sequence[Answer]]) -> dict[str, Perplexity]:
    """exp(−Σ logprob / Σ tokens) of the best logged answers, by arm (Jelinek et al. 1977).

    Only answers that every arm has scored count, so that all arms are measured on the same tokens.
    Without such an answer no arm has a perplexity.
    """
    logprobs = {
        arm: {(a.row, a.sample): a.logprobs for a in answers if a.logprobs is not None}
        for arm, answers in scored.items()
        if answers
    }
    keys = {(answer.row, answer.sample) for answers in scored.values() for answer in answers}
    common = [key for key in keys if all(key in by_key for by_key in logprobs.values())]
    if not common:
        return {}
    scores = {}
    for arm, by_key in logprobs.items():
        tokens = sum(len(by_key[key]) for key in common)
        log_likelihood = math.fsum(math.fsum(by_key[key]) for key in common)
        scores[arm] = Perplexity(
            value=math.exp(-log_likelihood / tokens),
            n=len(common),
            tokens=tokens,
            left_out=len(keys) - len(common),
        )
    return scores
