"""What a backend is to the rest: token ids in, completions out as they finish."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from config.generation import SamplingSettings
from config.peft_methods import Served
from data.records import digest
from data.top_logprobs import TopLogprobs
from prompts.chat_encoder import Message


@dataclass(frozen=True)
class Adapter:
    """What was trained, in a folder: an adapter as peft writes it, or the weights of a model."""

    name: str
    path: Path
    sha256: str  # of its weights: part of every request's key
    served: Served = "adapter"


@dataclass(frozen=True)
class Request:
    """One answer to be drawn or scored. `key` is the hash of everything that determines it."""

    key: str
    prompt_ids: tuple[int, ...]
    sampling: SamplingSettings
    seed: int
    adapter: Adapter | None = None
    scored_ids: tuple[int, ...] = ()  # of a given answer: its logprobs are asked, nothing is drawn
    # what `prompt_ids` was made of, for who has another tokenizer; empty where nobody will ask
    messages: tuple[Message, ...] = field(default=(), compare=False)

    @property
    def length(self) -> int:
        """Tokens that prompt and answer can take together."""
        return len(self.prompt_ids) + len(self.scored_ids) + self.sampling.max_tokens


@dataclass(frozen=True)
class Completion:
    """What came back for the request of the same key."""

    key: str
    text: str  # empty when a given answer was scored
    token_ids: tuple[int, ...]
    finish: Literal["stop", "length"]
    logprobs: tuple[float, ...] | None = None  # of each answer token, before temperature
    top_logprobs: TopLogprobs | None = field(
        default=None, compare=False
    )  # where `sampling.logprobs` asks for it


class Engine(Protocol):
    """A model backend."""

    @property
    def identity(self) -> str:
        """Hash of model and weights: answers of another identity are other answers."""

    @property
    def max_length(self) -> int:
        """Tokens that prompt and answer may have together."""

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions in the order in which they finish."""

    def close(self) -> None:
        """Frees the model; ends every process that the engine started."""


def make_request(
    identity: str,
    prompt_ids: tuple[int, ...],
    sampling: SamplingSettings,
    seed: int,
    adapter: Adapter | None = None,
    messages: tuple[Message, ...] = (),
) -> Request:
    """A request with its key. At temperature 0 the seed decides nothing and is left out of it."""
    drawn = seed if sampling.temperature > 0 else None
    key = digest(
        [identity, prompt_ids, sampling.model_dump(), drawn, adapter.sha256 if adapter else None]
    )
    return Request(key, prompt_ids, sampling, seed, adapter, messages=messages)


def score_request(
    identity: str,
    prompt_ids: tuple[int, ...],
    scored_ids: tuple[int, ...],
    adapter: Adapter | None = None,
) -> Request:
    """A request for the logprobs of a given answer behind a prompt, with its key."""
    key = digest(["scored", identity, prompt_ids, scored_ids, adapter.sha256 if adapter else None])
    return Request(key, prompt_ids, SamplingSettings(max_tokens=1), 0, adapter, scored_ids)
