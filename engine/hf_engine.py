"""The transformers backend, for adapters that vLLM cannot serve: virtual tokens.

Loads the base with the first request, and each adapter when a request names it.
"""

import gc
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Literal

from config.errors import ConfigError
from config.generation import Dtype, SamplingSettings
from engine.answer_tokens import without_reasoning
from engine.base import Adapter, Completion, Request
from engine.models import (
    TorchModel,
    decode_answer,
    load_base,
    load_tokenizer,
    model_identity,
    resolve_model,
)
from engine.precision import precision


class HfEngine:
    """One model in this process, with or without virtual tokens before the text."""

    def __init__(self, name: str, max_length: int, dtype: Dtype = "auto") -> None:
        """`max_length` in tokens, without virtual tokens."""
        self._resolved = resolve_model(name)
        self._dtype = dtype
        self.identity = model_identity(self._resolved, dtype)
        self.max_length = max_length
        self._base: TorchModel = None

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions batch by batch; consecutive requests of one adapter share batches.
        Existing answers are scored one by one.

        Raises ConfigError when a request has a temperature above 0.
        """
        groups = groupby(
            requests,
            key=lambda request: (
                *(request.adapter, request.sampling),
                *(request.stop_ids, bool(request.scored_ids)),
            ),
        )
        for (adapter, sampling, stop_ids, scored), group in groups:
            if scored:
                yield from self._score(group, adapter)
                continue
            if sampling.temperature > 0:
                raise ConfigError(
                    f"temperature {sampling.temperature:g}: transformers answers greedily here; "
                    "set predict.sampling.temperature: 0"
                )
            yield from self._generate(list(group), adapter, sampling, stop_ids)

    def _score(self, requests: Iterable[Request], adapter: Adapter | None) -> Iterator[Completion]:
        from engine.hf_generation import answer_logprobs

        model = self._load(adapter)
        for request in requests:
            logprobs = answer_logprobs(model, request.prompt_ids, request.scored_ids)
            yield Completion(request.key, "", request.scored_ids, "stop", logprobs)

    def _generate(
        self,
        requests: list[Request],
        adapter: Adapter | None,
        sampling: SamplingSettings,
        stop_ids: tuple[int, ...],
    ) -> Iterator[Completion]:
        from engine.hf_generation import GenerationSettings, generate_answers

        model = self._load(adapter)
        tokenizer = load_tokenizer(self._resolved)
        stop_ids = tuple(dict.fromkeys((*stop_ids, *_stop_ids(self._base, tokenizer))))
        settings = GenerationSettings(
            stop_ids, sampling.max_tokens, logprobs=sampling.logprobs is not None
        )
        prompts = [request.prompt_ids for request in requests]
        for answer in generate_answers(model, prompts, settings):
            ids = answer.token_ids
            finish: Literal["stop", "length"] = "stop" if ids[-1] in stop_ids else "length"
            text = decode_answer(tokenizer, ids[:-1] if finish == "stop" else ids)
            key = requests[answer.prompt].key
            completion = Completion(key, text, ids, finish, answer.logprobs)
            yield without_reasoning(completion, tokenizer)

    def _load(self, adapter: Adapter | None) -> TorchModel:
        import torch
        from peft import PeftModel

        if self._base is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
            self._base = load_base(self._resolved, dtype=precision(self._dtype)).to(device)
        if adapter is None:
            return self._base
        return PeftModel.from_pretrained(self._base, str(adapter.path))

    def close(self) -> None:
        """Frees the model; a later request loads it again."""
        if self._base is None:
            return
        import torch

        self._base = None
        gc.collect()
        torch.cuda.empty_cache()  # no effect without CUDA


def _stop_ids(base: TorchModel, tokenizer: Any) -> tuple[int, ...]:
    """The tokens at which vLLM ends an answer: of the tokenizer and of generation_config."""
    eos = base.generation_config.eos_token_id
    stop_ids = [tokenizer.eos_token_id, *(eos if isinstance(eos, list) else [eos])]
    return tuple(dict.fromkeys(token for token in stop_ids if token is not None))
