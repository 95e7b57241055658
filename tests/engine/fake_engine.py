"""A fake engine with requests in flight, random completion order, and faults."""

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
        truncated_share: float = 0,
        signal_number: signal.Signals = signal.SIGKILL,
    ) -> None:
        self._rng = random.Random(seed)
        self._paid = paid
        self._dies_after = dies_after
        self._truncated_share = truncated_share
        self._signal_number = signal_number

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Writes one byte per completion to `paid`, the cost of the requests."""
        waiting = iter(requests)
        in_flight: list[Request] = []
        done = 0
        with self._paid.open("ab", buffering=0) as paid:
            while True:
                in_flight += islice(waiting, IN_FLIGHT - len(in_flight))
                if not in_flight:
                    return
                request = in_flight.pop(self._rng.randrange(len(in_flight)))
                paid.write(b"x")
                if done == self._dies_after:
                    os.kill(os.getpid(), self._signal_number)
                done += 1
                yield self._completion(request)

    def close(self) -> None:
        """Nothing to free."""

    def _completion(self, request: Request) -> Completion:
        is_truncated = random.Random(request.key).random() < self._truncated_share
        text = f"answer to {request.prompt_ids[0]}"
        ids, width = self._token_ids(request), request.sampling.logprobs
        top_logprobs = fake_top_logprobs(ids, width) if width else None
        return Completion(
            request.key,
            text,
            ids,
            "length" if is_truncated else "stop",
            top_logprobs=top_logprobs,
        )

    def _token_ids(self, request: Request) -> tuple[int, ...]:
        return request.prompt_ids[:3]


class ResamplingEngine(FakeEngine):
    """Never repeats an answer, as a model whose batches round differently."""

    def _token_ids(self, request: Request) -> tuple[int, ...]:
        return tuple(self._rng.randrange(2**31) for _ in range(3))


def fake_top_logprobs(ids: tuple[int, ...], width: int) -> TopLogprobs:
    """`width` tokens per position, the sampled one first: it identifies the answer."""
    likely = np.array([[token, *range(1, width)] for token in ids], np.int32)
    return TopLogprobs(likely, np.full(likely.shape, -1.5, np.float16))


def fake_tasks(count: int, sampling: SamplingSettings | None = None) -> list[Task]:
    """One task per row, each with its own prompt."""
    settings = sampling or SamplingSettings(max_tokens=8)
    return [
        Task("base", f"row-{n:05}", 0, make_request("fake", (n, 1, 2, 3), settings, seed=n))
        for n in range(count)
    ]
