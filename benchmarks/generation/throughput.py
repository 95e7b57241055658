"""`python -m benchmarks.generation.throughput KIND ROWS`: one engine, timed in its own process.

Prompts are random ids with a common beginning; the time per row does not depend on the ids. Engines
are started and warmed up before they are timed, with the shared beginning in the prefix cache.
Prints the timings as JSON on the last line.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from config.checkout import ROOT
from config.generation import SamplingSettings
from data.answers import read_answers
from data.records import Record
from engine.base import Engine, make_request
from engine.batch_job import Task, run_job
from engine.embedded import EMBEDDED
from engine.hf_engine import HfEngine
from engine.load_vllm import load_llm
from engine.models import load_base, resolve_model
from engine.precision import has_gpu
from engine.vllm_engine import VllmEngine

Prompts: TypeAlias = Sequence[tuple[int, ...]]
EngineKind = Literal["cached", "uncached", "hf_engine", "transformers"]
BATCH = 16  # rows per batch of transformers


class PromptLengths(NamedTuple):
    """Tokens per row."""

    shared: int
    own: int
    answer: int  # limit

    @property
    def total(self) -> int:
        """Tokens of prompt and answer together."""
        return sum(self)


CAMPUS_LENGTHS = PromptLengths(shared=1300, own=300, answer=64)
# a thousand rows take a minute
SHORT_LENGTHS = PromptLengths(shared=1300, own=16, answer=8)


class Throughput(Record):
    """The time that one system takes for its rows."""

    system: str
    rows: int
    seconds: float
    tokens: int  # of the answers
    cached: float | None = None  # share of the prompt tokens found in the prefix cache

    @property
    def rows_per_s(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds


def random_prompts(count: int, lengths: PromptLengths, seed: int = 0) -> list[tuple[int, ...]]:
    """Prompts of random ids with a common beginning."""
    rng = random.Random(seed)

    def random_ids(length: int) -> tuple[int, ...]:
        return tuple(rng.randrange(1000, 40_000) for _ in range(length))

    shared = random_ids(lengths.shared)
    return [shared + random_ids(lengths.own) for _ in range(count)]


def time_engine(kind: EngineKind, rows: int) -> list[Throughput]:
    """Times one engine in a process of its own, because vLLM never frees its memory."""
    command = [sys.executable, "-m", "benchmarks.generation.throughput", kind, str(rows)]
    child = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return [
        Throughput.model_validate(record) for record in json.loads(child.stdout.splitlines()[-1])
    ]


def time_cached(rows: int) -> list[Throughput]:
    """Times ours and raw vLLM in turns in one instance, then ours on more and more short rows.

    Before each, the prefix cache is emptied and filled with the shared beginning.
    """
    engine = VllmEngine(EMBEDDED, CAMPUS_LENGTHS.total)
    prompts = random_prompts(rows + 1, CAMPUS_LENGTHS)
    halves = [prompts[1 : rows // 2 + 1], prompts[rows // 2 + 1 :]]
    timings: dict[str, list[Throughput]] = {"ours": [], "raw vLLM": []}
    with tempfile.TemporaryDirectory() as folder:

        def ours(prompts: Prompts, lengths: PromptLengths, name: str) -> Throughput:
            return _time_ours(engine, prompts, lengths, Path(folder) / f"{name}.jsonl")

        ours(prompts[:1], CAMPUS_LENGTHS, "start")
        llm = engine._start_llm()  # the same instance, so that only our own code differs
        # the first batch of a size compiles kernels and allocates memory for its shapes
        _time_raw(llm, halves[0], "warm")
        for number, half in enumerate(halves):
            for name in ("ours", "raw vLLM") if number == 0 else ("raw vLLM", "ours"):
                llm.reset_prefix_cache()
                ours(prompts[:1], CAMPUS_LENGTHS, f"warm-{number}-{name}")
                if name == "ours":
                    timings[name].append(ours(half, CAMPUS_LENGTHS, f"half-{number}"))
                else:
                    timings[name].append(_time_raw(llm, half, "raw vLLM"))
        results = [_combined(name, parts) for name, parts in timings.items()]
        for count in (rows // 4, rows, 4 * rows):
            short = random_prompts(count + 1, SHORT_LENGTHS, seed=count)
            ours(short[:1], SHORT_LENGTHS, f"short-{count}-warm")
            results.append(ours(short[1:], SHORT_LENGTHS, f"short-{count}"))
    engine.close()
    return results


def time_uncached(rows: int) -> list[Throughput]:
    """Times vLLM with the settings of our engine, but without its prefix cache."""
    llm = load_llm(resolve_model(EMBEDDED), CAMPUS_LENGTHS.total, prefix_caching=False)
    prompts = random_prompts(rows + 1, CAMPUS_LENGTHS)
    _time_raw(llm, prompts[:1], "warm")
    return [_time_raw(llm, prompts[1:], "vLLM without prefix cache")]


def time_hf_engine(rows: int) -> list[Throughput]:
    """Times ours where vLLM is not installed: the transformers engine, its prefix read once."""
    engine = HfEngine(EMBEDDED, CAMPUS_LENGTHS.total)
    prompts = random_prompts(rows + 2, CAMPUS_LENGTHS)
    with tempfile.TemporaryDirectory() as folder:
        _time_ours(engine, prompts[:2], CAMPUS_LENGTHS, Path(folder) / "warm.jsonl")
        timing = _time_ours(engine, prompts[2:], CAMPUS_LENGTHS, Path(folder) / "rows.jsonl")
    engine.close()
    return [timing.model_copy(update={"system": "ours, by transformers"})]


def time_transformers(rows: int) -> list[Throughput]:
    """Times `generate` on batches of equal lengths, so without padding."""
    import torch

    model = load_base(resolve_model(EMBEDDED)).to("cuda" if has_gpu() else "cpu").eval()
    prompts = random_prompts(rows + 1, CAMPUS_LENGTHS)

    def generate(prompts: Prompts) -> int:
        tokens = 0
        for first in range(0, len(prompts), BATCH):
            ids = torch.tensor(prompts[first : first + BATCH], device=model.device)  # [B, T]
            sequences = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=CAMPUS_LENGTHS.answer,
                do_sample=False,
                pad_token_id=0,
            )
            tokens += int((sequences[:, ids.shape[1] :] != 0).sum())
        return tokens

    generate([prompts[0][: CAMPUS_LENGTHS.own]])
    start = time.perf_counter()
    tokens = generate(prompts[1:])
    seconds = time.perf_counter() - start
    return [Throughput(system="transformers", rows=rows, seconds=seconds, tokens=tokens)]


def _time_ours(engine: Engine, prompts: Prompts, lengths: PromptLengths, path: Path) -> Throughput:
    sampling = SamplingSettings(max_tokens=lengths.answer)
    tasks = (
        Task("bench", f"row-{number}", 0, make_request(engine.identity, ids, sampling, 0))
        for number, ids in enumerate(prompts)
    )
    start = time.perf_counter()
    run_job(engine, tasks, path, {})
    return Throughput(
        system=f"ours, {lengths.own} own",
        rows=len(prompts),
        seconds=time.perf_counter() - start,
        tokens=sum(len(answer.token_ids) for answer in read_answers(path)),
    )


def _time_raw(llm: Any, prompts: Prompts, system: str) -> Throughput:
    from vllm import SamplingParams

    params = SamplingParams(temperature=0.0, max_tokens=CAMPUS_LENGTHS.answer)
    start = time.perf_counter()
    outputs = llm.generate([{"prompt_token_ids": list(ids)} for ids in prompts], params)
    return Throughput(
        system=system,
        rows=len(prompts),
        seconds=time.perf_counter() - start,
        tokens=sum(len(output.outputs[0].token_ids) for output in outputs),
        cached=sum(output.num_cached_tokens or 0 for output in outputs) / sum(map(len, prompts)),
    )


def _combined(system: str, parts: Sequence[Throughput]) -> Throughput:
    hits = [part.cached for part in parts if part.cached is not None]
    return Throughput(
        system=system,
        rows=sum(part.rows for part in parts),
        seconds=sum(part.seconds for part in parts),
        tokens=sum(part.tokens for part in parts),
        cached=sum(hits) / len(hits) if hits else None,
    )


if __name__ == "__main__":
    kinds = {
        "cached": time_cached,
        "uncached": time_uncached,
        "hf_engine": time_hf_engine,
        "transformers": time_transformers,
    }
    timings = kinds[sys.argv[1]](int(sys.argv[2]))
    print(json.dumps([timing.model_dump() for timing in timings]))
