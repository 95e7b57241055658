"""The in-process vLLM backend: prefix caching, LoRA adapters, results as they finish.

vLLM aborts a whole batch if one prompt is too long, so callers check lengths first.
On CPU, adapters are merged into the weights: vLLM's CPU kernels for LoRA copy the adapter once per
token, so 40 answers of the embedded model take 67 s instead of 6 s. Adapters that vLLM cannot
serve are merged on GPUs too.
Answers are decoded here, once each. vLLM would also decode every top token at every position: with
K = 20, in dictionaries, 114 µs of Python per token instead of 8 µs flat and undecoded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import chain, groupby, islice
from typing import Any, Literal
from zlib import crc32

import numpy as np
from transformers import PreTrainedTokenizerBase

from config.generation import GPU_MEMORY, Dtype, SamplingSettings
from data.top_logprobs import TopLogprobs
from engine.answer_tokens import without_reasoning
from engine.base import Adapter, Completion, Request
from engine.load_vllm import load_llm, shut_down
from engine.merge_adapter import merged_weights
from engine.models import decode_answer, load_tokenizer, model_identity, resolve_model
from engine.precision import has_gpu

BATCHES_IN_FLIGHT = 2  # requests handed to vLLM for each that it computes at once: 512 on a CPU


class VllmEngine:
    """One model in this process; adapters are loaded or merged as requests name them.

    vLLM starts with the first request, which raises SetupError when vLLM is not installed or
    cannot load the model.
    """

    def __init__(
        self,
        name: str,
        max_length: int,
        max_lora_rank: int = 0,
        dtype: Dtype = "auto",
        gpu_memory: float = GPU_MEMORY,
    ) -> None:
        """`max_length` in tokens; `max_lora_rank` 0: adapters are merged; `gpu_memory`: a share."""
        self.gpu_memory = gpu_memory
        # whether each sample has a seed of its own: on a card that switches vLLM to a slow sampler
        self.seeded = not has_gpu()
        self._resolved = resolve_model(name)
        self._dtype = dtype
        self.identity = model_identity(self._resolved, dtype)
        self.max_length = max_length
        self._lora_rank = max_lora_rank if has_gpu() else 0
        self._merged: Adapter | None = None  # currently in the weights
        self._stream = 0  # vLLM's own seed, when it starts
        self._lora_ids: dict[str, int] = {}  # adapter sha256 → vLLM's id of it
        self._tokenizer = load_tokenizer(self._resolved)
        self._llm: Any = None

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions in the order in which they finish.

        If adapters are merged, consecutive requests of one adapter are answered together.
        """
        waiting = iter(requests)
        first = next(waiting, None)
        if first is None:
            return
        if not self.seeded:  # of vLLM: a run that draws more samples does not draw the same again
            self._stream = crc32(first.key.encode())
        merges = not self._lora_rank
        groups = groupby(
            chain([first], waiting), key=lambda request: request.adapter if merges else None
        )
        for adapter, group in groups:
            if merges:
                self._merge(adapter)
                group = (replace(request, adapter=None) for request in group)
            yield from self._answer(group)

    def _answer(self, requests: Iterable[Request]) -> Iterator[Completion]:
        engine = self._start_llm().llm_engine
        waiting = iter(requests)
        limit = BATCHES_IN_FLIGHT * engine.vllm_config.scheduler_config.max_num_seqs
        in_flight: dict[str, Request] = {}
        try:
            while True:
                for request in islice(waiting, limit - len(in_flight)):
                    self._add(engine, request)
                    in_flight[request.key] = request
                if not in_flight:
                    return
                for output in engine.step():
                    if not output.finished:
                        continue
                    request = in_flight[output.request_id]
                    if request.scored_ids and output.num_cached_tokens >= len(request.prompt_ids):
                        # part of the answer came from the cache: see _scoring_params
                        self._add(engine, request, use_cache=False)
                        continue
                    del in_flight[request.key]
                    yield _completion(output, request, self._tokenizer)
        finally:
            if in_flight:
                engine.abort_request(list(in_flight))

    def _merge(self, adapter: Adapter | None) -> None:
        """Loads the weights of the base merged with this adapter."""
        if adapter == self._merged:
            return
        weights: dict[str, Any] = {"weights_path": self._resolved}
        if adapter is not None:
            weights = {
                "weights_iterator": merged_weights(self._resolved, adapter.path, self._dtype)
            }
        llm = self._start_llm()
        llm.collective_rpc("reload_weights", kwargs=weights)
        if not has_gpu():
            llm.collective_rpc(_repack_head)
        llm.reset_prefix_cache()  # keys and values of the previous weights
        self._merged = adapter

    def close(self) -> None:
        """Ends vLLM and frees its memory; a later request starts it again."""
        if self._llm is None:
            return
        llm, self._llm, self._merged = self._llm, None, None
        shut_down(llm)

    def _start_llm(self) -> Any:
        if self._llm is None:
            self._llm = load_llm(
                self._resolved,
                self.max_length,
                self._lora_rank,
                dtype=self._dtype,
                gpu_memory=self.gpu_memory,
                seed=self._stream,
            )
        return self._llm

    def _add(self, engine: Any, request: Request, use_cache: bool = True) -> None:
        prompt = {"prompt_token_ids": [*request.prompt_ids, *request.scored_ids]}
        params = _scoring_params(use_cache) if request.scored_ids else self._sampling(request)
        engine.add_request(request.key, prompt, params, lora_request=self._lora(request.adapter))

    def _sampling(self, request: Request) -> Any:
        is_seeded = self.seeded and request.sampling.temperature > 0
        return _sampling_params(
            request.sampling, request.stop_ids, request.seed if is_seeded else None
        )

    def _lora(self, adapter: Adapter | None) -> Any:
        if adapter is None:
            return None
        from vllm.lora.request import LoRARequest

        lora_id = self._lora_ids.setdefault(adapter.sha256, len(self._lora_ids) + 1)
        return LoRARequest(adapter.name, lora_id, str(adapter.path))


def _repack_head(worker: Any) -> None:
    """Makes the CPU kernels pack the output head's weights again.

    A head tied to the embeddings has no weights of its own, so vLLM's reload packs only those of
    the embeddings: with oneDNN packing (bfloat16 with AMX) the head kept the previous weights.
    """
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

    for module in worker.get_model().modules():
        if isinstance(module, ParallelLMHead):
            module.quant_method.process_weights_after_loading(module)


@lru_cache(maxsize=8)  # vLLM copies them; without seeds most requests have the same ones
def _sampling_params(
    sampling: SamplingSettings, stop_ids: tuple[int, ...], seed: int | None
) -> Any:
    from vllm import SamplingParams

    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        seed=seed,
        stop_token_ids=list(stop_ids),  # beside those of generation_config.json
        logprobs=sampling.logprobs,  # 0: of the sampled token only
        flat_logprobs=True,
        detokenize=False,
    )


def _scoring_params(use_cache: bool) -> Any:
    """Parameters that score a prompt's tokens.

    Unless told otherwise, vLLM does not read a prompt from its cache when it scores it: cached
    tokens have no logprobs, only noise or nothing in their place.
    """
    from vllm import SamplingParams

    return SamplingParams(
        temperature=0.0,
        max_tokens=1,  # vLLM's minimum
        prompt_logprobs=0,
        detokenize=False,  # the noise cannot be decoded
        skip_reading_prefix_cache=not use_cache,
    )


def _completion(output: Any, request: Request, tokenizer: PreTrainedTokenizerBase) -> Completion:
    if request.scored_ids:
        positions = output.prompt_logprobs[-len(request.scored_ids) :]
        pairs = zip(positions, request.scored_ids, strict=True)
        scores = tuple(position[token].logprob for position, token in pairs)
        return Completion(request.key, "", request.scored_ids, "stop", scores)
    sampled = output.outputs[0]
    token_ids = tuple(sampled.token_ids)
    finish: Literal["stop", "length"] = "stop" if sampled.finish_reason == "stop" else "length"
    text = decode_answer(tokenizer, token_ids[:-1] if finish == "stop" else token_ids)
    if sampled.logprobs is None:
        return without_reasoning(Completion(request.key, text, token_ids, finish), tokenizer)
    # [T, 1 + K]: the sampled token, then the most likely ones by falling probability
    ids = np.array(sampled.logprobs.token_ids, np.int32).reshape(len(token_ids), -1)
    values = np.array(sampled.logprobs.logprobs, np.float32).reshape(ids.shape)
    top_logprobs = None
    if ids.shape[1] > 1:
        top_logprobs = TopLogprobs(ids[:, 1:], values[:, 1:].astype(np.float16))
    logprobs = tuple(values[:, 0].tolist())
    completion = Completion(request.key, text, token_ids, finish, logprobs, top_logprobs)
    return without_reasoning(completion, tokenizer)
