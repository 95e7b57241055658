"""Tokens of answers as a model wrote them, without the reasoning in front."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from transformers import PreTrainedTokenizerBase

from data.top_logprobs import TopLogprobs
from engine.base import Completion
from engine.models import decode_answer
from prompts.reasoning import cut_reasoning


def without_reasoning(completion: Completion, tokenizer: PreTrainedTokenizerBase) -> Completion:
    """The completion with the ids and probabilities of the answer alone.

    Where no token separates reasoning and answer, the text is empty and the answer not whole.
    """
    ids = completion.token_ids
    written = ids[:-1] if completion.finish == "stop" else ids
    # tags can be special tokens, which the text lacks
    answer = cut_reasoning(
        str(tokenizer.decode(written, clean_up_tokenization_spaces=False)).strip()
    )
    if answer.separable and not answer.was_cut:
        return completion
    start = _start(written, answer.text, tokenizer) if answer.separable else None
    if start is None:
        return replace(completion, text="", finish="length", reasoning_cut=answer.was_cut)
    logprobs, top = completion.logprobs, completion.top_logprobs
    return replace(
        completion,
        text=decode_answer(tokenizer, written[start:]),
        token_ids=ids[start:],
        logprobs=None if logprobs is None else logprobs[start:],
        top_logprobs=top and TopLogprobs(top.ids[start:], top.logprobs[start:]),
        reasoning_cut=True,
    )


def _start(ids: Sequence[int], text: str, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The index from which the ids spell the text; None: a token holds more than it."""

    def suffix(start: int) -> str:
        return decode_answer(tokenizer, ids[start:]).strip()

    starts = range(len(ids) + 1)
    start = bisect_right(starts, -len(text), key=lambda start: -len(suffix(start))) - 1
    return start if start >= 0 and suffix(start) == text else None
