"""The in-process vLLM backend: prefix caching, LoRA adapters, results as they finish.

vLLM aborts every request of a batch when one prompt is too long: callers check lengths first.
On CPU adapters are folded into the weights: vLLM's LoRA kernels for CPU copy the adapter once per
token, and 40 answers of the embedded model take 67 s with them against 6 s without. So is whatever
vLLM cannot serve as an adapter, on a GPU as well.
Answers are decoded here, once each: vLLM would decode every likely token of every position too, and
with K = 20 in dictionaries that costs 114 µs of Python a token, against 8 µs flat and undecoded.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, Literal

import numpy as np
from transformers import PreTrainedTokenizerBase

from config.errors import SetupError
from data.top_logprobs import TopLogprobs
from engine.base import Adapter, Completion, Request
from engine.merge_adapter import merged_weights
from engine.models import load_tokenizer, model_identity, resolve_model
from engine.precision import has_gpu, precision

MAX_IN_FLIGHT = 512  # requests handed to vLLM at a time; it batches what fits


class VllmEngine:
    """One model in this process; adapters are loaded, or folded in, as requests name them.

    vLLM is started when the first request comes; SetupError then says that it is not installed or
    cannot load the model.
    """

    def __init__(self, name: str, max_length: int, max_lora_rank: int = 0) -> None:
        """`max_length` in tokens; `max_lora_rank` 0: adapters are folded in."""
        self._resolved = resolve_model(name)
        self.identity = model_identity(self._resolved)
        self.max_length = max_length
        self._lora_rank = max_lora_rank if has_gpu() else 0
        self._folded: Adapter | None = None  # what the weights hold at present
        self._numbers: dict[str, int] = {}  # adapter sha256 → vLLM's number of it
        self._tokenizer = load_tokenizer(self._resolved)
        self._llm: Any = None

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions in the order in which they finish.

        Where adapters are folded in, requests of one adapter in a row are answered together.
        """
        folds = not self._lora_rank
        alike = groupby(requests, key=lambda request: request.adapter if folds else None)
        for adapter, group in alike:
            if folds:
                self._fold(adapter)
                group = (replace(request, adapter=None) for request in group)
            yield from self._answer(group)

    def _answer(self, requests: Iterable[Request]) -> Iterator[Completion]:
        engine = self._started().llm_engine
        waiting = iter(requests)
        flying: dict[str, Request] = {}
        try:
            while True:
                for request in islice(waiting, MAX_IN_FLIGHT - len(flying)):
                    self._add(engine, request)
                    flying[request.key] = request
                if not flying:
                    return
                for output in engine.step():
                    if not output.finished:
                        continue
                    request = flying[output.request_id]
                    if request.scored_ids and output.num_cached_tokens >= len(request.prompt_ids):
                        # part of the answer came from the cache: see _scoring_params
                        self._add(engine, request, use_cache=False)
                        continue
                    del flying[request.key]
                    yield _completion(output, request, self._tokenizer)
        finally:
            if flying:
                engine.abort_request(list(flying))

    def _fold(self, adapter: Adapter | None) -> None:
        """Makes the weights those of the base with this adapter."""
        if adapter == self._folded:
            return
        weights: dict[str, Any] = {"weights_path": self._resolved}
        if adapter is not None:
            weights = {"weights_iterator": merged_weights(self._resolved, adapter.path)}
        llm = self._started()
        llm.collective_rpc("reload_weights", kwargs=weights)
        if not has_gpu():
            llm.collective_rpc(_pack_head)
        llm.reset_prefix_cache()  # keys and values of the other weights
        self._folded = adapter

    def close(self) -> None:
        """Ends vLLM and frees its memory; a later request starts it again."""
        if self._llm is None:
            return
        from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

        self._llm.llm_engine.engine_core.shutdown()
        self._llm = self._folded = None
        cleanup_dist_env_and_memory()

    def _started(self) -> Any:
        if self._llm is None:
            self._llm = _start(self._resolved, self.max_length, self._lora_rank)
        return self._llm

    def _add(self, engine: Any, request: Request, use_cache: bool = True) -> None:
        prompt = {"prompt_token_ids": [*request.prompt_ids, *request.scored_ids]}
        params = _scoring_params(use_cache) if request.scored_ids else _params(request)
        engine.add_request(request.key, prompt, params, lora_request=self._lora(request.adapter))

    def _lora(self, adapter: Adapter | None) -> Any:
        if adapter is None:
            return None
        from vllm.lora.request import LoRARequest

        number = self._numbers.setdefault(adapter.sha256, len(self._numbers) + 1)
        return LoRARequest(adapter.name, number, str(adapter.path))


def _start(resolved: str, max_length: int, max_lora_rank: int) -> Any:
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # no child to be left behind
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "4")  # GiB
    try:
        from vllm import LLM
    except ImportError as error:
        raise SetupError(
            f"vLLM is not installed ({error}); run `make .venv`, or "
            "`pip install vllm==0.32.0` on a GPU machine"
        ) from None
    options: dict[str, Any] = {}
    if max_lora_rank:
        options |= {"enable_lora": True, "max_lora_rank": _lora_rank(max_lora_rank)}
    if not has_gpu():
        # Compiling takes longer than it saves on CPU (90 s against 14 s to start, same speed);
        # chunked prefill with seeded requests ends in `CPU Generator does not use offset`.
        options |= {
            "enforce_eager": True,
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(8192, max_length),
        }
    try:
        return LLM(
            model=resolved,
            max_model_len=max_length,
            enable_prefix_caching=True,
            max_logprobs=-1,  # as many likely tokens as `sampling.logprobs` asks for
            disable_log_stats=True,
            use_tqdm_on_load=False,  # keeps its bar out of the log
            trust_remote_code=False,
            dtype=precision(),
            seed=0,
            **options,
        )
    except (OSError, ValueError, RuntimeError) as error:
        line = str(error).strip().splitlines()[0][:300]
        raise SetupError(f"model {resolved}: vLLM cannot load it: {line}") from error


def _pack_head(worker: Any) -> None:
    """Has the CPU kernels pack the output head's weights anew.

    Tied to the embeddings the head has none of its own to load, so vLLM's reload packs only theirs:
    where oneDNN packs (bfloat16 with AMX), the head went on with those of before.
    """
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

    for module in worker.get_model().modules():
        if isinstance(module, ParallelLMHead):
            module.quant_method.process_weights_after_loading(module)


def _lora_rank(rank: int) -> int:
    """The smallest rank that vLLM offers from `rank` on."""
    return next(offered for offered in (8, 16, 32, 64, 128, 256, 320, 512) if offered >= rank)


def _params(request: Request) -> Any:
    from vllm import SamplingParams

    sampling = request.sampling
    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        seed=request.seed if sampling.temperature > 0 else None,
        logprobs=sampling.logprobs,  # 0: the drawn token's own
        flat_logprobs=True,
        detokenize=False,
    )


def _scoring_params(use_cache: bool) -> Any:
    """vLLM takes no prompt from its cache when it is to score it, unless told to.

    What it took from there has no logprobs: noise stands in their place, or nothing.
    """
    from vllm import SamplingParams

    return SamplingParams(
        temperature=0.0,
        max_tokens=1,  # the least that it draws
        prompt_logprobs=0,
        detokenize=False,  # the noise is no text
        skip_reading_prefix_cache=not use_cache,
    )


def _completion(output: Any, request: Request, tokenizer: PreTrainedTokenizerBase) -> Completion:
    if request.scored_ids:
        places = output.prompt_logprobs[-len(request.scored_ids) :]
        own = zip(places, request.scored_ids, strict=True)
        scored = tuple(place[token].logprob for place, token in own)
        return Completion(request.key, "", request.scored_ids, "stop", scored)
    drawn = output.outputs[0]
    token_ids = tuple(drawn.token_ids)
    finish: Literal["stop", "length"] = "stop" if drawn.finish_reason == "stop" else "length"
    said = token_ids[:-1] if finish == "stop" else token_ids
    text = tokenizer.decode(said, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    if drawn.logprobs is None:
        return Completion(request.key, text, token_ids, finish)
    # [T, 1 + K]: the drawn token, then the most likely ones by falling probability
    ids = np.array(drawn.logprobs.token_ids, np.int32).reshape(len(token_ids), -1)
    values = np.array(drawn.logprobs.logprobs, np.float32).reshape(ids.shape)
    topk = TopLogprobs(ids[:, 1:], values[:, 1:].astype(np.float16)) if ids.shape[1] > 1 else None
    logprobs = tuple(values[:, 0].tolist())
    return Completion(request.key, text, token_ids, finish, logprobs, topk)
