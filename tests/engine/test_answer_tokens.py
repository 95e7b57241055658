"""Reasoning is cut off an answer's tokens together with their probabilities."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from data.top_logprobs import TopLogprobs
from engine.answer_tokens import without_reasoning
from engine.base import Completion
from engine.models import decode_answer
from tests.prompts.template_families import Family, family_tokenizer

SPECIAL = ("<|im_end|>", "<|START_THINKING|>", "<|END_THINKING|>")


@cache
def tokenizer() -> Any:
    """Each byte is a token; the tags are tokens too."""
    return family_tokenizer(Family("", SPECIAL, "<|im_end|>", text_tokens=("<think>", "</think>")))


def completion(text: str, finish: Any = "stop") -> Completion:
    """With numbered probabilities, so that a slice shows its place."""
    ids = tuple(tokenizer().encode(text, add_special_tokens=False))
    tops = np.arange(2 * len(ids)).reshape(-1, 2)
    top_logprobs = TopLogprobs(tops.astype(np.int32), tops.astype(np.float16))
    shown = decode_answer(tokenizer(), ids)
    return Completion("k", shown, ids, finish, tuple(map(float, range(len(ids)))), top_logprobs)


@pytest.mark.parametrize(
    "reasoning",
    [
        *("<think>\nTwo sentences.\n</think>\n\n", "Two sentences.\n</think>\n\n"),
        *("<|START_THINKING|>a<|END_THINKING|>", "<think>\n\n</think>", "<thought>a</thought>"),
    ],
)
@pytest.mark.parametrize("finish", ["stop", "length"])
def test_the_answer_keeps_its_own_tokens_and_probabilities(reasoning: str, finish: str) -> None:
    """Special tokens, which the text does not show, are tags as well."""
    end = "<|im_end|>" if finish == "stop" else ""
    whole = completion(f"{reasoning}At 9 — «да».{end}", finish)
    answer = without_reasoning(whole, tokenizer())
    count = len(completion(f"At 9 — «да».{end}").token_ids)
    assert answer.text == "At 9 — «да»."
    assert answer.token_ids == whole.token_ids[-count:]
    assert answer.logprobs is not None
    assert whole.logprobs is not None
    assert answer.logprobs == whole.logprobs[-count:]
    assert answer.top_logprobs is not None
    assert whole.top_logprobs is not None
    assert (answer.top_logprobs.ids == whole.top_logprobs.ids[-count:]).all()
    assert (answer.finish, answer.reasoning_cut) == (finish, True)


def test_an_answer_without_reasoning_is_untouched() -> None:
    """The same object, probabilities and all."""
    plain = completion(" At 9.\n<|im_end|>")
    assert without_reasoning(plain, tokenizer()) is plain


@pytest.mark.parametrize("text", ["<think>\nTwo", "At 9. <think>10?</think> 10."])
def test_reasoning_without_a_clear_end_leaves_nothing_to_judge_or_learn(text: str) -> None:
    """Not whole, so that it is neither selected nor shown to a judge."""
    answer = without_reasoning(completion(f"{text}<|im_end|>"), tokenizer())
    assert (answer.text, answer.finish) == ("", "length")
