"""`python -m benchmarks.generation.throughput`: one engine, timed in its own process.

Rows of random ids, all with the same beginning: a row's time does not depend on the ids. Everything
is started and warmed up before it is timed, and the shared beginning is in the cache where there is
one. Prints the timings as JSON on the last line.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from config.checkout import ROOT
from config.generation import SamplingSettings
from data.answers import read_answers
from data.records import Record
from engine.base import make_request
from engine.batch_job import Task, run_job
from engine.embedded import EMBEDDED
from engine.models import load_base, resolve_model
from engine.precision import has_gpu, precision
from engine.vllm_engine import VllmEngine

Kind = Literal["cached", "uncached", "transformers"]
BATCH = 16  # rows of a batch of transformers'


class Lengths(NamedTuple):
    """Of every row, in tokens."""

    shared: int
    own: int
    answer: int  # at most

    @property
    def whole(self) -> int:
        """What a model must have room for."""
        return sum(self)


CAMPUS = Lengths(shared=1300, own=300, answer=64)
SHORT = Lengths(shared=1300, own=16, answer=8)  # so that a thousand rows take a minute


class Timing(Record):
    """One system over so many rows."""

    system: str
    rows: int
    seconds: float
    tokens: int  # of the answers
    cached: float | None = None  # share of the prompts' tokens that the cache held

    @property
    def rows_per_s(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def prompts(count: int, lengths: Lengths, seed: int = 0) -> list[tuple[int, ...]]:
    """Prompts with one beginning."""
    rng = random.Random(seed)

    def drawn(length: int) -> tuple[int, ...]:
        return tuple(rng.randrange(1000, 40_000) for _ in range(length))

    shared = drawn(lengths.shared)
    return [shared + drawn(lengths.own) for _ in range(count)]


def timings(kind: Kind, rows: int) -> list[Timing]:
    """In a process of its own: vLLM's settings are for good, and its memory is not given back."""
    command = [sys.executable, "-m", "benchmarks.generation.throughput", kind, str(rows)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return [Timing.model_validate(one) for one in json.loads(done.stdout.splitlines()[-1])]


def cached(rows: int) -> list[Timing]:
    """Ours and raw vLLM, in turns, in one instance; then ours over ever more short rows.

    The cache is emptied before each, and given the shared beginning back.
    """
    engine = VllmEngine(EMBEDDED, CAMPUS.whole)
    every = prompts(rows + 1, CAMPUS)
    halves = [every[1 : rows // 2 + 1], every[rows // 2 + 1 :]]
    found: dict[str, list[Timing]] = {"ours": [], "raw vLLM": []}
    with tempfile.TemporaryDirectory() as folder:

        def ours(some: Sequence[tuple[int, ...]], lengths: Lengths, name: str) -> Timing:
            path = Path(folder) / f"{name}.jsonl"
            return _ours(engine, some, lengths, path)

        ours(every[:1], CAMPUS, "start")
        llm = engine._started()  # the very same instance: what differs is ours alone
        # the first batch of a size makes kernels and memory for its shapes: whoever went first
        # would pay for both
        _raw(llm, halves[0], "warm")
        for number, half in enumerate(halves):
            for name in ("ours", "raw vLLM") if number == 0 else ("raw vLLM", "ours"):
                llm.reset_prefix_cache()
                ours(every[:1], CAMPUS, f"warm-{number}-{name}")
                if name == "ours":
                    found[name].append(ours(half, CAMPUS, f"half-{number}"))
                else:
                    found[name].append(_raw(llm, half, "raw vLLM"))
        result = [_together(name, parts) for name, parts in found.items()]
        for count in (rows // 4, rows, 4 * rows):
            some = prompts(count + 1, SHORT, seed=count)
            ours(some[:1], SHORT, f"short-{count}-warm")
            result.append(ours(some[1:], SHORT, f"short-{count}"))
    engine.close()
    return result


def uncached(rows: int) -> list[Timing]:
    """vLLM as ours starts it, without its prefix cache."""
    settings = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "ERROR"}
    settings |= {"VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "4"}
    os.environ |= {**settings, **os.environ}
    from vllm import LLM

    options: dict[str, Any] = {}
    if not has_gpu():
        options |= {"enforce_eager": True, "enable_chunked_prefill": False}
        options |= {"max_num_batched_tokens": 8192}
    llm = LLM(
        model=resolve_model(EMBEDDED),
        max_model_len=CAMPUS.whole,
        enable_prefix_caching=False,
        dtype=precision(),
        seed=0,
        **options,
    )
    every = prompts(rows + 1, CAMPUS)
    _raw(llm, every[:1], "warm")
    return [_raw(llm, every[1:], "vLLM without prefix cache")]


def transformers(rows: int) -> list[Timing]:
    """`generate` on batches of equal lengths: nothing is padded."""
    import torch

    model = load_base(resolve_model(EMBEDDED)).to("cuda" if has_gpu() else "cpu").eval()
    every = prompts(rows + 1, CAMPUS)

    def answered(some: Sequence[tuple[int, ...]]) -> int:
        tokens = 0
        for at in range(0, len(some), BATCH):
            ids = torch.tensor(some[at : at + BATCH], device=model.device)  # [B, T]
            made = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=CAMPUS.answer,
                do_sample=False,
                pad_token_id=0,
            )
            tokens += int((made[:, ids.shape[1] :] != 0).sum())
        return tokens

    answered([every[0][: CAMPUS.own]])
    return [_timed("transformers", rows, lambda: answered(every[1:]))]


def _ours(
    engine: VllmEngine, some: Sequence[tuple[int, ...]], lengths: Lengths, path: Path
) -> Timing:
    sampling = SamplingSettings(max_tokens=lengths.answer)

    def answered() -> int:
        tasks = (
            Task("bench", f"row-{at}", 0, make_request(engine.identity, ids, sampling, 0))
            for at, ids in enumerate(some)
        )
        run_job(engine, tasks, path, {})
        return 0

    timed = _timed(f"ours, {lengths.own} own", len(some), answered)
    tokens = sum(len(answer.token_ids) for answer in read_answers(path))
    return timed.model_copy(update={"tokens": tokens})


def _raw(llm: Any, some: Sequence[tuple[int, ...]], system: str) -> Timing:
    from vllm import SamplingParams

    params = SamplingParams(temperature=0.0, max_tokens=CAMPUS.answer)
    outputs: list[Any] = []

    def answered() -> int:
        outputs.extend(llm.generate([{"prompt_token_ids": list(ids)} for ids in some], params))
        return sum(len(one.outputs[0].token_ids) for one in outputs)

    timed = _timed(system, len(some), answered)
    hit = sum(one.num_cached_tokens or 0 for one in outputs) / sum(map(len, some))
    return timed.model_copy(update={"cached": hit})


def _timed(system: str, rows: int, answered: Callable[[], int]) -> Timing:
    begun = time.perf_counter()
    tokens = answered()
    seconds = time.perf_counter() - begun
    return Timing(system=system, rows=rows, seconds=seconds, tokens=tokens)


def _together(system: str, parts: Sequence[Timing]) -> Timing:
    hits = [part.cached for part in parts if part.cached is not None]
    return Timing(
        system=system,
        rows=sum(part.rows for part in parts),
        seconds=sum(part.seconds for part in parts),
        tokens=sum(part.tokens for part in parts),
        cached=sum(hits) / len(hits) if hits else None,
    )


def main(argv: list[str] | None = None) -> int:
    """Times one kind."""
    made = argparse.ArgumentParser(description=__doc__)
    kinds = {"cached": cached, "uncached": uncached, "transformers": transformers}
    made.add_argument("kind", choices=kinds)
    made.add_argument("rows", type=int)
    arguments = made.parse_args(argv)
    found = kinds[arguments.kind](arguments.rows)
    print(json.dumps([one.model_dump() for one in found]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
