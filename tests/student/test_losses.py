"""Losses against their definitions in float64, against each other, and against TRL's kernel."""

import pytest
import torch
from trl.experimental.gkd import GKDTrainer

from config.training import Direction
from student.losses import (
    cross_entropy,
    divergence,
    nll_and_buckets,
    stored_buckets,
    tempered_logprobs,
)

DIRECTIONS: tuple[Direction, ...] = ("forward", "reverse", "jsd")
tempered = tempered_logprobs
each_direction = pytest.mark.parametrize("direction", DIRECTIONS)


def logits(rows: int, words: int, seed: int, sharp: float = 3.0) -> torch.Tensor:
    """Made logits, as peaked as a model's."""
    return torch.randn(rows, words, generator=torch.Generator().manual_seed(seed)) * sharp


def kept_and_rest(
    crafted: torch.Tensor, ids: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    """The second of both losses' parts, whatever the text says."""
    return nll_and_buckets(crafted, ids[:, 0], ids, temperature)[1]


def test_cross_entropy_is_the_definition_in_float64() -> None:
    """−log softmax at the target, computed the long way."""
    crafted, targets = logits(7, 50, 0), torch.arange(7)
    exact = -torch.log(torch.softmax(crafted.double(), -1))[torch.arange(7), targets]
    assert torch.allclose(cross_entropy(crafted, targets).double(), exact, atol=1e-5)


@each_direction
def test_divergence_is_the_definition_in_float64(direction: Direction) -> None:
    """Σ p log(p / q) with sums and products of probabilities, no logarithm shared with ours."""
    p = torch.softmax(logits(6, 40, 1).double(), -1)
    q = torch.softmax(logits(6, 40, 2).double(), -1)
    m = (p + q) / 2
    exact = {
        "forward": (p * (p / q).log()).sum(-1),
        "reverse": (q * (q / p).log()).sum(-1),
        "jsd": ((p * (p / m).log()).sum(-1) + (q * (q / m).log()).sum(-1)) / 2,
    }
    actual = divergence(p.log().float(), q.log().float(), direction)
    assert torch.allclose(actual.double(), exact[direction], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("direction", "beta"), [("forward", 0.0), ("reverse", 1.0), ("jsd", 0.5)])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_divergence_is_trls_kernel(direction: Direction, beta: float, temperature: float) -> None:
    """GKD's generalised JSD at the ends and the middle of its dial: loss and gradient."""
    theirs, ours = logits(5, 60, 3), logits(5, 60, 4)
    for_ours, for_peer = ours.clone().requires_grad_(), ours.clone().requires_grad_()
    student = tempered(for_ours, temperature)
    crafted = divergence(tempered(theirs, temperature), student, direction).sum()
    peer = GKDTrainer.generalized_jsd_loss(
        for_peer[None], theirs[None], beta=beta, temperature=temperature, reduction="sum"
    )
    assert float(crafted.detach()) == pytest.approx(float(peer.detach()), rel=1e-5)
    (our_grad,) = torch.autograd.grad(crafted, for_ours)
    (peer_grad,) = torch.autograd.grad(peer, for_peer)
    assert torch.allclose(our_grad, peer_grad, atol=1e-5)


@each_direction
@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_kept_tokens_become_the_whole_vocabulary(direction: Direction, temperature: float) -> None:
    """K → V: the distance to the full divergence falls, and is gone at K = V."""
    theirs, ours = logits(8, 100, 5), logits(8, 100, 6)
    full = divergence(tempered(theirs, temperature), tempered(ours, temperature), direction)
    apart = []
    for kept in (2, 10, 50, 100):
        top = torch.log_softmax(theirs, -1).topk(kept)
        actual = divergence(
            stored_buckets(top.values, 100, temperature),
            kept_and_rest(ours, top.indices, temperature),
            direction,
        )
        apart.append(float((actual - full).abs().mean()))
    assert apart[0] > apart[1] > apart[2] > apart[3]
    # an empty bucket is taken to hold e⁻²⁷: tempered by 1.7 that is 1e-7
    assert apart[3] < 1e-4


@each_direction
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_an_even_rest_is_tempered_as_its_tokens(direction: Direction, temperature: float) -> None:
    """Where the rest of both is even, merging its tokens loses nothing: any K gives the full
    divergence at that temperature. As one token it would be off by more than 0.1 nats."""
    theirs, ours = torch.full((4, 100), -2.0), torch.full((4, 100), -1.0)
    theirs[:, :3], ours[:, :3] = logits(4, 3, 12), logits(4, 3, 13)
    full = divergence(tempered(theirs, temperature), tempered(ours, temperature), direction)
    ids = torch.arange(3).expand(4, 3)
    stored = torch.log_softmax(theirs, -1)[:, :3]
    student = kept_and_rest(ours, ids, temperature)
    actual = divergence(stored_buckets(stored, 100, temperature), student, direction)
    assert torch.allclose(actual, full, rtol=1e-4, atol=1e-5)
    as_one_token = divergence(
        tempered(stored_buckets(stored, 100), temperature), student, direction
    )
    assert (as_one_token - full).abs().max() > 0.1


def test_the_tempered_rest_by_hand() -> None:
    """Of 0.8 and four tokens of 0.05 at T = 2: roots 0.8944 and 4 · 0.2236 weigh alike."""
    actual = stored_buckets(torch.tensor([[0.8]]).log(), 5, 2.0).exp()
    assert torch.allclose(actual, torch.tensor([[0.5, 0.5]]), atol=1e-6)


def test_the_students_rest_is_tempered_token_by_token() -> None:
    """Its tokens are all known: their sum at T, whatever their spread."""
    crafted, ids = logits(6, 40, 14), logits(6, 40, 15).topk(5).indices
    exact = torch.softmax(crafted.double() / 1.7, -1)
    expected = torch.cat([exact.gather(-1, ids), exact.sum(-1, keepdim=True)], -1)
    expected[:, -1] -= expected[:, :-1].sum(-1)
    assert torch.allclose(kept_and_rest(crafted, ids, 1.7).exp().double(), expected, atol=1e-6)


def test_buckets_never_exceed_the_whole() -> None:
    """Merging tokens into one bucket can only lose difference (data processing inequality)."""
    theirs, ours = logits(50, 200, 7), logits(50, 200, 8)
    full = divergence(tempered(theirs, 1.0), tempered(ours, 1.0), "forward")
    top = torch.log_softmax(theirs, -1).topk(20)
    actual = divergence(
        stored_buckets(top.values, 200), kept_and_rest(ours, top.indices), "forward"
    )
    assert (actual <= full + 1e-5).all() and (actual > 0).all()


def test_the_rest_is_right_where_little_is_left() -> None:
    """A mass of 1e-9 outside the kept tokens, in float32, where 1 − Σ would say 0 or noise."""
    crafted = torch.full((1, 1000), -20.7)  # e^-20.7 · 998 ≈ 1e-6 of the rest
    crafted[0, :2] = torch.tensor([5.0, 4.0])
    actual = kept_and_rest(crafted, torch.tensor([[0, 1]]))[0, 2]
    exact = torch.log_softmax(crafted.double(), -1)[0, 2:].logsumexp(-1)
    assert float(actual) == pytest.approx(float(exact), rel=1e-5)


def test_both_losses_in_one_pass_are_the_long_way_in_float64() -> None:
    """With their gradients; a target is among the kept tokens as often as not."""
    crafted = logits(40, 300, 9).requires_grad_()
    ids = logits(40, 300, 10).topk(20).indices
    targets = torch.where(torch.arange(40) % 2 == 0, ids[:, 3], (ids == 0).long().argmax(-1))
    logs = torch.log_softmax(crafted.double(), -1)
    other = torch.ones(40, 300, dtype=torch.bool).scatter(-1, ids, False)
    rest = (logs.exp() * other).sum(-1, keepdim=True).log()
    long_way = -logs[torch.arange(40), targets], torch.cat([logs.gather(-1, ids), rest], -1)
    weights = logits(40, 21, 11)
    gradients: list[torch.Tensor] = []
    for nll, kept in (nll_and_buckets(crafted, targets, ids), long_way):
        assert torch.allclose(nll.double(), long_way[0], atol=1e-5)
        assert torch.allclose(kept.double(), long_way[1], atol=1e-5)
        gradients += torch.autograd.grad(nll.sum() + (kept * weights).sum(), crafted)
    actual, expected = gradients
    assert torch.allclose(actual, expected, atol=1e-5)


def test_half_precision_never_leaves_less_than_nothing() -> None:
    """float16 rounds Σ p above 1: the rest is then nothing, and all still sums to 1."""
    stored = torch.log(torch.tensor([[0.6, 0.4001]])).half().float()
    actual = stored_buckets(stored, 100)
    assert torch.isfinite(actual).all()
    assert float(actual.exp().sum()) == pytest.approx(1.0, abs=1e-6)


def test_equal_distributions_are_no_distance_apart() -> None:
    """Every direction: 0 at equality, and symmetric only for jsd, at most log 2."""
    p, q = torch.log_softmax(torch.randn(4, 9), -1), torch.log_softmax(torch.randn(4, 9), -1)
    for direction in ("forward", "reverse", "jsd"):
        assert torch.allclose(divergence(p, p, direction), torch.zeros(4), atol=1e-6)
        assert (divergence(p, q, direction) > 0).all()
    assert torch.allclose(divergence(p, q, "forward"), divergence(q, p, "reverse"))
    assert torch.allclose(divergence(p, q, "jsd"), divergence(q, p, "jsd"))
    assert (divergence(p, q, "jsd") < 0.6932).all()
