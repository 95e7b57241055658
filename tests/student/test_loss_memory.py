"""The loss of a pass: what it takes at its peak, and its gradient by hand."""

from collections.abc import Callable

import pytest
import torch

from config.training import Direction
from student.head import Head
from student.losses import (
    LOGIT_CHUNK,
    chunk_positions,
    cross_entropy,
    divergence,
    nll_and_buckets,
    summed_loss,
    tempered_logprobs,
)
from student.memory_plan import LOSS_BYTES
from tests.student.live_bytes import live_bytes
from tests.student.tiny_model import tiny

CARD, CPU = torch.device("cuda"), torch.device("cpu")
POSITIONS, WORDS, KEPT, WIDTH = 256, 2000, 20, 32  # a pass and a vocabulary, scaled down
DIRECTIONS: tuple[Direction, ...] = ("forward", "reverse", "jsd")
each_direction = pytest.mark.parametrize("direction", DIRECTIONS)
each_temperature = pytest.mark.parametrize("temperature", [0.7, 1.0, 2.0])

Loss = Callable[[torch.Tensor, slice], torch.Tensor]


def distinct_ids(rows: int, words: int, kept: int) -> torch.Tensor:
    """The most likely tokens of random distributions."""
    return torch.randn(rows, words, generator=torch.Generator().manual_seed(1)).topk(kept).indices


def peak(loss: Loss, chunk: int) -> float:
    """Bytes of a loss with its gradient of the hidden states, per logit of a chunk."""
    causal = tiny().get_base_model()
    causal.lm_head = torch.nn.Linear(WIDTH, WORDS, bias=False).requires_grad_(False)
    causal.bfloat16()
    hidden = torch.randn(POSITIONS, WIDTH).bfloat16().requires_grad_()

    def run() -> None:
        total = summed_loss(hidden, Head(causal), loss, chunk)
        torch.autograd.grad(total, hidden)

    return live_bytes(run) / (chunk * WORDS)


def text_losses() -> dict[str, Loss]:
    """Cross-entropy alone, and with K stored tokens in every direction."""
    targets = torch.arange(POSITIONS)
    ids = distinct_ids(POSITIONS, WORDS, KEPT)
    stored = torch.log_softmax(torch.randn(POSITIONS, KEPT + 1), -1)

    def of(direction: Direction, temperature: float) -> Loss:
        def loss(logits: torch.Tensor, part: slice) -> torch.Tensor:
            nll, student = nll_and_buckets(logits, targets[part], ids[part], temperature)
            return nll + divergence(stored[part], student, direction)

        return loss

    losses = {f"{d} {t}": of(d, t) for d in DIRECTIONS for t in (1.0, 2.0)}
    return losses | {"ce": lambda logits, part: cross_entropy(logits, targets[part])}


def distribution_loss(direction: Direction) -> Loss:
    """Two whole distributions, and cross-entropy."""
    targets = torch.arange(POSITIONS)

    def loss(logits: torch.Tensor, part: slice) -> torch.Tensor:
        with torch.no_grad():
            teacher = tempered_logprobs(logits.detach() * 1.5, 2.0)
        nll = cross_entropy(logits, targets[part])
        return nll + divergence(teacher, tempered_logprobs(logits, 2.0), direction)

    return loss


def test_a_loss_takes_no_more_than_its_chunk_is_sized_for() -> None:
    """Measured on bfloat16 logits; hidden states and small tensors are the few per cent above."""
    for name, loss in text_losses().items():
        assert 10 < peak(loss, 64) < 15, name
    for direction in DIRECTIONS:
        assert 20 < peak(distribution_loss(direction), 64) < 37, direction


def test_more_positions_take_no_more_memory() -> None:
    """256 positions in chunks of 32 take a quarter of what they take in chunks of 128."""
    loss = text_losses()["forward 1.0"]
    assert 32 * peak(loss, 32) == pytest.approx(128 * peak(loss, 128) / 4, rel=0.1)


@pytest.mark.parametrize("whole", [False, True])
def test_the_loss_of_a_large_pass_fits_2_gb(whole: bool) -> None:
    """8,192 positions at V = 151,936 and D = 5,120 (Qwen3-14B): a chunk of the bytes measured
    above, and the gradient of the hidden states in bfloat16, 84 MB."""
    rows, vocabulary = chunk_positions(CARD, 151_936, whole), 151_936
    chunk = rows * vocabulary * (36 if whole else 14)
    assert chunk <= LOSS_BYTES and chunk + 8192 * 5120 * 2 < 2e9
    assert rows > (250 if whole else 750), "so that a head of 778 MB is read 11 times, not 128"


def test_chunks_by_device() -> None:
    """A CPU keeps its 64; a card has at least as many, and more of them with fewer tokens."""
    assert chunk_positions(CPU, 151_936, whole_distributions=False) == LOGIT_CHUNK == 64
    assert chunk_positions(CARD, 10**9, whole_distributions=True) == LOGIT_CHUNK
    assert chunk_positions(CARD, 49_152, False) > 3 * chunk_positions(CARD, 151_936, False) - 4


@each_temperature
def test_gradient_by_hand_against_differences(temperature: float) -> None:
    """gradcheck in float64: of the target's and of every bucket's log-probability."""
    logits = torch.randn(5, 30, dtype=torch.float64, requires_grad=True)
    ids = distinct_ids(5, 30, 4)
    targets = torch.tensor([int(ids[0, 0]), 1, 2, int(ids[3, 2]), 4])

    def both(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return nll_and_buckets(logits, targets, ids, temperature)

    assert torch.autograd.gradcheck(both, (logits,))


@each_direction
@each_temperature
@pytest.mark.parametrize("rest", ["usual", "under e⁻³⁰", "none"])
def test_gradient_by_hand_against_autograd(
    direction: Direction, temperature: float, rest: str
) -> None:
    """The long way in float64 through log-softmax and a sum over the rest: any direction, also
    where the rest is too small to count, and where K = V."""
    kept = 12 if rest == "none" else 4
    ids, targets = distinct_ids(6, 12, kept), torch.tensor([3, 1, 2, 0, 11, 5])
    values = torch.randn(6, 12, dtype=torch.float64)
    if rest == "under e⁻³⁰":
        values = values.scatter_add(-1, ids, torch.full((6, kept), 80.0, dtype=torch.float64))
    logits = values.requires_grad_()
    stored = torch.log_softmax(torch.randn(6, kept + 1, dtype=torch.float64), -1)
    weights = torch.rand(6, dtype=torch.float64)

    def loss(nll: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
        kl = divergence(stored, student, direction)
        return (weights * (0.3 * nll + 0.7 * kl)).sum()

    others = torch.ones(6, 12, dtype=torch.bool).scatter(-1, ids, False)
    logprobs = torch.log_softmax(logits / temperature, -1)
    mass = torch.where(others, logprobs.exp(), 0).sum(-1, keepdim=True)
    student = torch.cat([logprobs.gather(-1, ids), mass.clamp_min(1e-300).log()], -1)
    nll = -torch.log_softmax(logits, -1)[range(6), targets]
    expected = loss(nll, student.clamp_min(-30))
    actual = loss(*nll_and_buckets(logits, targets, ids, temperature))
    assert float(actual.detach()) == pytest.approx(float(expected.detach()), rel=1e-9)
    (by_hand,), (by_autograd,) = (torch.autograd.grad(side, logits) for side in (actual, expected))
    assert torch.allclose(by_hand, by_autograd, rtol=1e-9, atol=1e-12)
    assert by_autograd.abs().max() > 1e-3


def test_masked_logits_have_no_gradient() -> None:
    """−inf stands for tokens that a model never gives."""
    logits = torch.randn(2, 9).index_fill(-1, torch.tensor([7, 8]), float("-inf")).requires_grad_()
    nll, buckets = nll_and_buckets(logits, torch.tensor([0, 1]), torch.tensor([[2, 0], [3, 4]]))
    (grad,) = torch.autograd.grad(nll.sum() + buckets.sum(), logits)
    assert torch.isfinite(grad).all() and (grad[:, 7:] == 0).all() and (grad[:, :7] != 0).all()
