"""Sampling: the distribution of the settings, the same tokens for the same seed."""

import math

import pytest
import torch
from scipy.stats import chi2

from engine.token_sampler import GenerationSettings, RowSettings, TokenSampler

DRAWS = 20_000
LOGITS = torch.tensor([0.3, -1.0, 2.0, 0.0, 1.2, -3.0, 0.9, float("-inf")])


def drawn(
    settings: GenerationSettings, logits: torch.Tensor = LOGITS, seed: int = 0
) -> torch.Tensor:
    """One token of each of DRAWS rows, whose seeds follow on each other."""
    rows = [RowSettings(1, seed + number) for number in range(DRAWS)]
    sampler = TokenSampler(settings, rows)
    return sampler.draw(logits.expand(DRAWS, -1), torch.arange(DRAWS))


def expected(temperature: float, top_p: float) -> torch.Tensor:
    """The smallest set of most likely tokens that holds `top_p`, after temperature, by hand."""
    p = torch.softmax(LOGITS.double() / temperature, -1)
    order = p.argsort(descending=True)
    before = p[order].cumsum(-1) - p[order]
    p[order[before >= top_p]] = 0
    return p / p.sum()


@pytest.mark.parametrize("temperature", [0.4, 1.0, 1.7])
@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.5])
def test_tokens_follow_the_distribution(temperature: float, top_p: float) -> None:
    """χ² of 20,000 draws below its 99.9 % quantile; a token outside `top_p` is never drawn."""
    p = expected(temperature, top_p)
    settings = GenerationSettings((), 1, temperature=temperature, top_p=top_p)
    counts = torch.bincount(drawn(settings), minlength=len(LOGITS)).double()
    assert counts[p == 0].sum() == 0
    possible = p > 0
    freedom = int(possible.sum()) - 1
    if freedom:
        chi = float(((counts - DRAWS * p) ** 2 / (DRAWS * p))[possible].sum())
        assert chi < chi2.ppf(0.999, freedom)


def test_rare_tokens_of_a_large_vocabulary_are_drawn() -> None:
    """Half of the mass on one token, half on 200,000 others, of 2.5e-6 each: near the precision of
    a sum in float32. Of 1,000 draws each quarter of them gets 125, within 4 standard deviations."""
    logits = torch.zeros(200_001)
    logits[0] = math.log(200_000)
    settings = GenerationSettings((), 1, temperature=1.0)
    counts = torch.zeros(4, dtype=torch.long)
    for first in range(0, 1000, 50):
        rows = [RowSettings(1, first + number) for number in range(50)]
        tokens = TokenSampler(settings, rows).draw(logits.expand(50, -1), torch.arange(50))
        counts += torch.bincount((tokens[tokens > 0] - 1) // 50_000, minlength=4)
    assert (counts - 125).abs().max() < 4 * math.sqrt(1000 * 0.125 * 0.875)


def test_logprobs_are_those_before_temperature() -> None:
    """As vLLM's: neither temperature nor `top_p` changes them."""
    settings = GenerationSettings((), 1, temperature=0.5, top_p=0.6, logprobs=3)
    sampler = TokenSampler(settings, [RowSettings(1, 7)])
    token = int(sampler.draw(LOGITS[None], torch.tensor([0])))
    answer = sampler.answer(0, 4)
    logprobs = torch.log_softmax(LOGITS, -1)
    assert (answer.prompt, answer.token_ids) == (4, (token,))
    assert answer.logprobs == pytest.approx([float(logprobs[token])])
    assert answer.top_logprobs is not None
    assert answer.top_logprobs.ids.tolist() == [[2, 4, 6]]
    assert answer.top_logprobs.logprobs[0].tolist() == pytest.approx(
        logprobs[[2, 4, 6]].tolist(),
        abs=2e-3,  # they are stored in float16
    )


@pytest.mark.parametrize("temperature", [0.0, 1e-6])
def test_a_temperature_of_nearly_nothing_is_greedy(temperature: float) -> None:
    """vLLM's bound is 1e-5."""
    settings = GenerationSettings((), 1, temperature=temperature, logprobs=0)
    sampler = TokenSampler(settings, [RowSettings(1, 7)])
    assert int(sampler.draw(LOGITS[None], torch.tensor([0]))) == 2
    assert sampler.answer(0, 0).top_logprobs is None


def test_a_seed_gives_the_same_tokens_in_any_batch() -> None:
    """Row 5 alone and as the second of three, with another limit, and after rows have left."""
    settings = GenerationSettings((99,), 6, temperature=1.0)
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(4, 50, generator=generator)
    alone = TokenSampler(settings, [RowSettings(4, 5)])
    together = TokenSampler(settings, [RowSettings(6, 3), RowSettings(6, 5), RowSettings(1, 9)])
    for number, logits in enumerate(steps):
        alone.draw(logits[None], torch.tensor([0]))
        rows = torch.tensor([0, 1, 2] if number == 0 else [0, 1])
        together.draw(logits.expand(len(rows), -1), rows)
    assert together.answer(1, 0).token_ids == alone.answer(0, 0).token_ids
    assert together.answer(0, 0).token_ids != alone.answer(0, 0).token_ids
    assert alone.done.tolist() == [True] and together.done.tolist() == [False, False, True]


def test_a_stop_token_ends_an_answer() -> None:
    """It is the answer's last token."""
    sampler = TokenSampler(GenerationSettings((2, 7), 3), [RowSettings(3)] * 2)
    both = torch.tensor([0, 1])
    sampler.draw(torch.eye(9)[[4, 7]], both)
    assert sampler.done.tolist() == [False, True]
    sampler.draw(torch.eye(9)[[2]], both[:1])
    assert sampler.done.all()
    assert [sampler.answer(row, row).token_ids for row in (0, 1)] == [(4, 2), (7,)]


def test_rows_without_a_seed_use_torchs_global_state() -> None:
    """Training resumes with it: see `OnPolicy`."""
    settings = GenerationSettings((), 8, temperature=1.0)
    answers = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        sampler = TokenSampler(settings, [RowSettings(8)])
        for _ in range(8):
            sampler.draw(LOGITS[None], torch.tensor([0]))
        answers.append(sampler.answer(0, 0).token_ids)
    assert answers[0] == answers[1] != answers[2]
