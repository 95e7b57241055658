"""Answers behind a shared prefix: those of every prompt alone, in every architecture."""

import numpy as np
import pytest
import torch

from config.peft_methods import LoraMethod
from engine.hf_generation import answer_logprobs, generate_answers, token_batches
from engine.prefix_generation import shared_prefix
from engine.token_sampler import GeneratedAnswer, GenerationSettings, RowSettings
from tests.student.architectures import ARCHITECTURES, expected_row, student_of
from tests.student.tiny_model import tiny

LIMIT = 5
# Difference of a log-probability in nats that sums in another order leave in float32: measured up
# to 2e-5 on these models, whose logits are as large as 30.
ROUNDING = 1e-3
_random = np.random.default_rng(0)
BEGINNING = tuple(_random.integers(3, 50, 20).tolist())
# of one token to nine behind the beginning: the shortest is padded most
PROMPTS = [(*BEGINNING, *_random.integers(3, 50, count).tolist()) for count in (1, 4, 9, 9, 2)]
SHARING = [family for family in ARCHITECTURES if expected_row(family).reuses_prefix]


def by_prompt(answers: list[GeneratedAnswer]) -> list[GeneratedAnswer]:
    return sorted(answers, key=lambda answer: answer.prompt)


@pytest.mark.parametrize("family", SHARING)
def test_a_shared_prefix_changes_no_answer(family: str) -> None:
    """Tokens, their log-probabilities and the most likely tokens, against `generate` on each prompt
    alone; sampled, with other limits per row, so that rows leave the batch one after another."""
    model = ARCHITECTURES[family]()
    settings = GenerationSettings((2,), LIMIT, temperature=1.0, logprobs=3)
    rows = [RowSettings(limit, seed) for seed, limit in enumerate((5, 1, 3, 5, 2))]
    prefix = shared_prefix(model, PROMPTS)
    assert prefix is not None and prefix.length == len(BEGINNING)
    together = by_prompt(list(generate_answers(model, PROMPTS, settings, rows, prefix)))
    for prompt, row, answer in zip(PROMPTS, rows, together, strict=True):
        (alone,) = generate_answers(model, [prompt], settings, [row])
        assert answer.token_ids == alone.token_ids
        assert answer.logprobs == pytest.approx(alone.logprobs, abs=ROUNDING)
        assert answer.top_logprobs is not None and alone.top_logprobs is not None
        assert answer.top_logprobs.ids.tolist() == alone.top_logprobs.ids.tolist()
        scores = answer_logprobs(model, prompt, answer.token_ids, prefix)
        assert scores == pytest.approx(alone.logprobs, abs=ROUNDING)


@pytest.mark.parametrize("family", sorted(set(ARCHITECTURES) - set(SHARING)))
def test_what_is_read_otherwise_shares_nothing(family: str) -> None:
    """Windows, states along the row and attention of a model's own making."""
    assert shared_prefix(ARCHITECTURES[family](), PROMPTS) is None


def test_an_adapter_reads_its_own_prefix() -> None:
    """LoRA changes keys and values of the prefix too."""
    model = student_of("Llama", LoraMethod(rank=4))
    settings = GenerationSettings((2,), LIMIT, logprobs=0)
    prefix = shared_prefix(model, PROMPTS)
    together = by_prompt(list(generate_answers(model, PROMPTS, settings, prefix=prefix)))
    for prompt, answer in zip(PROMPTS, together, strict=True):
        (alone,) = generate_answers(model, [prompt], settings)
        assert answer.logprobs == pytest.approx(alone.logprobs, abs=ROUNDING)
    with model.disable_adapter():
        (base,) = generate_answers(model, [PROMPTS[0]], settings)
    assert base.logprobs != pytest.approx(together[0].logprobs, abs=0.1), "the adapter matters"


def test_a_short_beginning_is_not_read_apart() -> None:
    """Nor that of a single prompt."""
    model = tiny().get_base_model()
    assert shared_prefix(model, [(5, 6, 7), (5, 6, 8)]) is None
    assert shared_prefix(model, PROMPTS[:1]) is None


def test_batches_are_filled_by_the_tokens_behind_the_prefix() -> None:
    """20 tokens of prefix count once: 3 rows of 9 + 5 fit where 42 tokens do."""
    model = tiny().get_base_model()
    prompts = [PROMPTS[2]] * 3
    prefix = shared_prefix(model, PROMPTS)
    batches = []
    hook = model.register_forward_pre_hook(
        lambda _module, _positional, named: batches.append(named["input_ids"].shape),
        with_kwargs=True,
    )
    settings = GenerationSettings((49,), LIMIT, tokens_per_pass=42)
    assert len(list(generate_answers(model, prompts, settings, prefix=prefix))) == 3
    hook.remove()
    assert batches[0] == torch.Size([3, 8]), "all but the last token of each prompt"


def test_rows_of_a_batch_without_padding_have_one_length() -> None:
    """Three of 4 tokens do not fit in 8: the third of them is alone, not beside one of 3."""
    assert list(token_batches([4, 3, 4, 3, 4], 8, same_length=True)) == [[0, 2], [4], [1, 3]]
