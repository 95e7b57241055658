"""A fake engine: requests in flight, finished in another order, and whatever fault is wanted."""

import os
import random
import signal
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from config.generation import SamplingSettings
from data.top_logprobs import TopLogprobs
from engine.base import Completion, Request, make_request
from engine.batch_job import Task

IN_FLIGHT = 64


class FakeEngine:
    """Answers with the prompt's ids; may signal its own process after `dies_after` completions."""

    identity = "fake"
    max_length = 2048

    def __init__(
        self,
        seed: int,
        paid: Path,
        dies_after: int | None = None,
        cut: float = 0,
        dies_by: signal.Signals = signal.SIGKILL,
    ) -> None:
        self._rng = random.Random(seed)
        self._paid = paid
        self._dies_after = dies_after
        self._cut = cut
        self._dies_by = dies_by

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """One byte a completion goes to `paid`: what the requests would have cost."""
        waiting = iter(requests)
        flying: list[Request] = []
        done = 0
        with self._paid.open("ab", buffering=0) as paid:
            while True:
                flying += islice(waiting, IN_FLIGHT - len(flying))
                if not flying:
                    return
                request = flying.pop(self._rng.randrange(len(flying)))
                paid.write(b"x")
                if done == self._dies_after:
                    os.kill(os.getpid(), self._dies_by)
                done += 1
                yield self._completion(request)

    def close(self) -> None:
        """Nothing to free."""

    def _completion(self, request: Request) -> Completion:
        cut = random.Random(request.key).random() < self._cut
        text = f"answer to {request.prompt_ids[0]}"
        ids, width = self._drawn(request), request.sampling.logprobs
        top_logprobs = fake_top_logprobs(ids, width) if width else None
        return Completion(
            request.key, text, ids, "length" if cut else "stop", top_logprobs=top_logprobs
        )

    def _drawn(self, request: Request) -> tuple[int, ...]:
        return request.prompt_ids[:3]


class DrawingEngine(FakeEngine):
    """Draws each answer anew, as a model does whose batches round differently: no two are equal."""

    def _drawn(self, request: Request) -> tuple[int, ...]:
        return tuple(self._rng.randrange(2**31) for _ in range(3))


def fake_top_logprobs(ids: tuple[int, ...], width: int) -> TopLogprobs:
    """`width` tokens per position, the drawn one first, which tells whose they are."""
    likely = np.array([[token, *range(1, width)] for token in ids], np.int32)
    return TopLogprobs(likely, np.full(likely.shape, -1.5, np.float16))


def fake_tasks(count: int, sampling: SamplingSettings | None = None) -> list[Task]:
    """One task a row, each with a prompt of its own."""
    drawn = sampling or SamplingSettings(max_tokens=8)
    return [
        Task("base", f"row-{n:05}", 0, make_request("fake", (n, 1, 2, 3), drawn, seed=n))
        for n in range(count)
    ]
