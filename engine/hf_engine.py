"""The transformers backend: answers of adapters that vLLM does not know, virtual tokens.

Holds nothing until the first request comes; loads the base once, an adapter as requests name it.
"""

import gc
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Literal

from config.errors import ConfigError
from config.generation import SamplingSettings
from engine.base import Adapter, Completion, Request
from engine.models import load_base, load_tokenizer, model_identity, resolve_model


class HfEngine:
    """One model in this process, with or without virtual tokens before the text."""

    def __init__(self, name: str, max_length: int) -> None:
        """`max_length` in tokens; virtual tokens come on top of it."""
        self._resolved = resolve_model(name)
        self.identity = model_identity(self._resolved)
        self.max_length = max_length
        self._base: Any = None

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions batch by batch; requests of one adapter in a row share batches.
        An answer that is given is scored, one after another.

        Raises ConfigError when an answer is to be drawn at a temperature.
        """
        alike = groupby(requests, key=lambda one: (one.adapter, one.sampling, bool(one.scored_ids)))
        for (adapter, sampling, scored), group in alike:
            if scored:
                yield from self._score(group, adapter)
                continue
            if sampling.temperature > 0:
                raise ConfigError(
                    f"temperature {sampling.temperature:g}: transformers answers greedily here; "
                    "set predict.sampling.temperature: 0"
                )
            yield from self._answer(list(group), adapter, sampling)

    def _score(self, requests: Iterable[Request], adapter: Adapter | None) -> Iterator[Completion]:
        from engine.sampling import answer_logprobs

        model = self._loaded(adapter)
        for request in requests:
            logprobs = answer_logprobs(model, request.prompt_ids, request.scored_ids)
            yield Completion(request.key, "", request.scored_ids, "stop", logprobs)

    def _answer(
        self, requests: list[Request], adapter: Adapter | None, sampling: SamplingSettings
    ) -> Iterator[Completion]:
        from engine.sampling import GenerationSettings, sample_answers

        model = self._loaded(adapter)
        tokenizer = load_tokenizer(self._resolved)
        ends = _ends(self._base, tokenizer)
        how = GenerationSettings(ends, sampling.max_tokens, logprobs=sampling.logprobs is not None)
        prompts = [request.prompt_ids for request in requests]
        for drawn in sample_answers(model, prompts, how):
            ids = drawn.token_ids
            finish: Literal["stop", "length"] = "stop" if ids[-1] in ends else "length"
            text = tokenizer.decode(
                ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            key = requests[drawn.prompt].key
            yield Completion(key, str(text), ids, finish, drawn.logprobs)

    def _loaded(self, adapter: Adapter | None) -> Any:
        import torch
        from peft import PeftModel

        if self._base is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
            self._base = load_base(self._resolved).to(device)
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
        torch.cuda.empty_cache()  # does nothing without CUDA


def _ends(base: Any, tokenizer: Any) -> tuple[int, ...]:
    """The tokens at which vLLM ends an answer: the tokenizer's, and those of generation_config."""
    listed = base.generation_config.eos_token_id
    more = listed if isinstance(listed, list) else [listed]
    return tuple(dict.fromkeys(end for end in [tokenizer.eos_token_id, *more] if end is not None))
