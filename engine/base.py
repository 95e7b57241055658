"""The interface of every backend: requests with token ids in, completions out as they finish."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from config.generation import SamplingSettings
from config.peft_methods import Served
from data.answers import Finish
from data.records import digest
from data.top_logprobs import TopLogprobs
from prompts.chat_rendering import Message


@dataclass(frozen=True)
class Adapter:
    """A folder with trained weights: an adapter as peft writes it, or a whole model."""

    name: str
    path: Path
    sha256: str  # of the weights: part of every request's key
    served: Served = "adapter"


@dataclass(frozen=True)
class Request:
    """One answer to generate or to score. `key` hashes everything that determines it."""

    key: str
    prompt_ids: tuple[int, ...]
    sampling: SamplingSettings
    seed: int
    adapter: Adapter | None = None
    scored_ids: tuple[int, ...] = ()  # an existing answer: score its tokens, generate nothing
    # the chat behind `prompt_ids`, for servers with another tokenizer; empty if none is asked
    messages: tuple[Message, ...] = field(default=(), compare=False)
    # token ids that end the answer, beside the model's own: a fine-tune may not name its template's
    # end of turn among them. They follow from the model, so they are no part of the key.
    stop_ids: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """The most tokens that prompt and answer can have together."""
        return len(self.prompt_ids) + len(self.scored_ids) + self.sampling.max_tokens


@dataclass(frozen=True)
class Completion:
    """The answer to the request with the same key."""

    key: str
    text: str  # empty when an existing answer was scored
    token_ids: tuple[int, ...]
    finish: Finish
    logprobs: tuple[float, ...] | None = None  # of each answer token, before temperature
    # if `sampling.logprobs` is above 0
    top_logprobs: TopLogprobs | None = field(default=None, compare=False)
    reasoning_cut: bool = False  # reasoning stood in front of the answer and was removed


class Engine(Protocol):
    """A model backend. It loads nothing before the first request."""

    @property
    def identity(self) -> str:
        """Hash of the model and its weights; part of every request's key."""

    @property
    def max_length(self) -> int:
        """The most tokens that prompt and answer may have together."""

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions in the order in which they finish."""

    def close(self) -> None:
        """Frees the model and ends every process that the engine started."""


def make_request(
    identity: str,
    prompt_ids: tuple[int, ...],
    sampling: SamplingSettings,
    seed: int,
    adapter: Adapter | None = None,
    messages: tuple[Message, ...] = (),
) -> Request:
    """A request with its key. The seed is left out of it at temperature 0."""
    keyed_seed = seed if sampling.temperature > 0 else None
    adapter_hash = adapter.sha256 if adapter else None
    key = digest([identity, prompt_ids, sampling.model_dump(), keyed_seed, adapter_hash])
    return Request(key, prompt_ids, sampling, seed, adapter, messages=messages)


def score_request(
    identity: str,
    prompt_ids: tuple[int, ...],
    scored_ids: tuple[int, ...],
    adapter: Adapter | None = None,
) -> Request:
    """A request, with its key, for the logprobs of an existing answer after a prompt."""
    key = digest(["scored", identity, prompt_ids, scored_ids, adapter.sha256 if adapter else None])
    return Request(key, prompt_ids, SamplingSettings(max_tokens=1), 0, adapter, scored_ids)
