"""The transformers backend: on CUDA, on Apple's MPS and on a CPU, for every kind of adapter.

It answers where vLLM is not installed, and for adapters that vLLM cannot serve: virtual tokens.
Weights are loaded with the first request, and each adapter when a request names it.
"""

import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple

from config.generation import Dtype
from engine.answer_tokens import without_reasoning
from engine.base import Adapter, Completion, Request
from engine.merge_adapter import load_merged
from engine.models import (
    TorchModel,
    decode_answer,
    load_base,
    load_tokenizer,
    model_identity,
    resolve_model,
)
from engine.precision import local_device, precision

_WINDOW = 512  # requests that are sorted into batches together


class _Group(NamedTuple):
    """Requests of equal fields are answered in the same batches."""

    adapter: Adapter | None
    is_scored: bool
    temperature: float
    top_p: float
    logprobs: int | None
    stop_ids: tuple[int, ...]

    @classmethod
    def of(cls, request: Request) -> "_Group":
        """The group of a request."""
        sampling, is_scored = request.sampling, bool(request.scored_ids)
        chosen = (sampling.temperature, sampling.top_p, sampling.logprobs)
        return cls(request.adapter, is_scored, *chosen, request.stop_ids)


class HfEngine:
    """One model in this process, with or without an adapter."""

    def __init__(self, name: str, max_length: int, dtype: Dtype = "auto") -> None:
        """`max_length` in tokens, without virtual tokens."""
        self._resolved = resolve_model(name)
        self._dtype = dtype
        self.identity = model_identity(self._resolved, dtype)
        self.max_length = max_length
        self._base: TorchModel = None  # without any adapter in its weights
        self._model: TorchModel = None  # answers at present
        self._adapter: Adapter | None = None  # of `_model`

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions batch by batch; requests are taken 512 at a time.

        Existing answers are scored one by one.
        """
        waiting = iter(requests)
        while window := list(islice(waiting, _WINDOW)):
            groups = defaultdict[_Group, list[Request]](list)
            for request in window:
                groups[_Group.of(request)].append(request)
            for group, of_group in groups.items():
                answer = self._score if group.is_scored else self._generate
                yield from answer(of_group, group)

    def _score(self, requests: Sequence[Request], group: _Group) -> Iterator[Completion]:
        from engine.hf_generation import answer_logprobs
        from engine.prefix_generation import shared_prefix

        model = self._load(group.adapter)
        prefix = shared_prefix(model, [request.prompt_ids for request in requests])
        for request in requests:
            logprobs = answer_logprobs(model, request.prompt_ids, request.scored_ids, prefix)
            yield Completion(request.key, "", request.scored_ids, "stop", logprobs)

    def _generate(self, requests: Sequence[Request], group: _Group) -> Iterator[Completion]:
        from engine.hf_generation import generate_answers
        from engine.prefix_generation import shared_prefix
        from engine.token_sampler import GenerationSettings, RowSettings

        model, tokenizer = self._load(group.adapter), load_tokenizer(self._resolved)
        stop_ids = tuple(dict.fromkeys((*group.stop_ids, *own_stop_ids(model, tokenizer))))
        rows = [RowSettings(request.sampling.max_tokens, request.seed) for request in requests]
        settings = GenerationSettings(
            stop_ids,
            max(row.max_tokens for row in rows),
            group.temperature,
            group.top_p,
            group.logprobs,
        )
        prompts = [request.prompt_ids for request in requests]
        prefix = shared_prefix(model, prompts)
        for answer in generate_answers(model, prompts, settings, rows, prefix):
            ids = answer.token_ids
            finish: Literal["stop", "length"] = "stop" if ids[-1] in stop_ids else "length"
            completion = Completion(
                key=requests[answer.prompt].key,
                text=decode_answer(tokenizer, ids[:-1] if finish == "stop" else ids),
                token_ids=ids,
                finish=finish,
                logprobs=answer.logprobs,
                top_logprobs=answer.top_logprobs,
            )
            yield without_reasoning(completion, tokenizer)

    def _load(self, adapter: Adapter | None) -> TorchModel:
        """The model with this adapter: merged into the weights, or virtual tokens before them.

        Merged weights are rounded as those that vLLM serves on a CPU, and as fast as the base's.
        """
        if self._model is not None and adapter == self._adapter:
            return self._model
        self._model, self._adapter = None, adapter
        device = local_device()
        dtype = precision(self._dtype, device)
        if adapter is not None and adapter.served != "live":
            self.close()  # one model in memory at a time
            self._model = load_merged(self._resolved, adapter.path, dtype).to(device).eval()
            self._adapter = adapter
            return self._model
        if self._base is None:
            self._base = load_base(self._resolved, dtype=dtype).to(device).eval()
        self._model = self._base
        if adapter is not None:
            from peft import PeftModel

            self._model = PeftModel.from_pretrained(self._base, str(adapter.path)).eval()
        return self._model

    def close(self) -> None:
        """Frees the model; a later request loads it again."""
        self._adapter = None
        if self._model is None and self._base is None:
            return
        import torch

        self._base = self._model = None
        gc.collect()
        torch.cuda.empty_cache()  # no effect without CUDA


def own_stop_ids(model: TorchModel, tokenizer: Any) -> tuple[int, ...]:
    """The tokens at which vLLM ends an answer: of the tokenizer and of generation_config."""
    eos = model.generation_config.eos_token_id
    stop_ids = [tokenizer.eos_token_id, *(eos if isinstance(eos, list) else [eos])]
    return tuple(dict.fromkeys(token for token in stop_ids if token is not None))
