"""Perplexity of the best logged answers under each arm."""

import math
from collections.abc import Mapping, Sequence

from data.answers import Answer
from judge.records import Perplexity


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
    return {
        arm: _perplexity([by_key[key] for key in common], len(keys) - len(common))
        for arm, by_key in logprobs.items()
    }


def _perplexity(logprobs: Sequence[Sequence[float]], left_out: int) -> Perplexity:
    tokens = sum(map(len, logprobs))
    value = math.exp(-math.fsum(map(math.fsum, logprobs)) / tokens)
    return Perplexity(value=value, n=len(logprobs), tokens=tokens, left_out=left_out)
