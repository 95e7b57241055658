"""Who answers for the teacher: one class per backend, with what it alone needs."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from config.settings import Settings


class LocalBackend(Settings):
    """The model is loaded by this code: its tokens are the base's, and it scores given answers."""

    gives_tokens: ClassVar[bool] = True
    scores: ClassVar[bool] = True


class VllmBackend(LocalBackend):
    """vLLM in this process."""

    kind: Literal["vllm"] = "vllm"


class RayBackend(LocalBackend):
    """vLLM in so many processes of a Ray cluster, a GPU each where the cluster has any.

    Every node sees this checkout, its Python and the model's folder at the same paths.
    """

    kind: Literal["ray"] = "ray"
    workers: PositiveInt = 1
    address: str | None = None  # of a running cluster; None: one is started here and ended again
    batch_rows: PositiveInt = 256  # requests that a worker answers at a time


class RemoteBackend(Settings):
    """Another one's model, asked by messages."""

    scores: ClassVar[bool] = False

    model: str  # as the server calls it
    # The server is vLLM and its model has the base's tokenizer and chat template: answers are
    # learnt by their token ids, and teacher.sampling.logprobs can be had. Else by their text.
    same_tokenizer: bool = False

    @property
    def gives_tokens(self) -> bool:
        """Whether answers come with the base's token ids, and their probabilities."""
        return self.same_tokenizer


class OpenAiBackend(RemoteBackend):
    """OpenAI-compatible servers of one model, in turn; one that is dead is left out."""

    kind: Literal["openai"] = "openai"
    base_urls: Annotated[tuple[str, ...], Field(min_length=1)]  # ending in /v1, as a rule
    api_key_env: str = "OPENAI_API_KEY"  # name of the environment variable that holds the key
    concurrency: PositiveInt = 16  # requests in flight at most, at each of them
    timeout_s: PositiveFloat = 300.0

    @model_validator(mode="after")
    def _distinct_urls(self) -> "OpenAiBackend":
        if len(set(self.base_urls)) != len(self.base_urls):
            raise ValueError("base_urls: one is listed twice; raise concurrency instead")
        return self


class BatchBackend(RemoteBackend):
    """Files in OpenAI's batch format, sent by whoever runs this: `prepare`, then `collect`."""

    kind: Literal["batch"] = "batch"
    folder: str | None = None  # of requests and results; None: teacher/batch in the run's folder
    shard_rows: PositiveInt = 20_000  # requests in a file at most; OpenAI takes 50,000


Backend = Annotated[
    VllmBackend | RayBackend | OpenAiBackend | BatchBackend, Field(discriminator="kind")
]


def check_model(model: str | None, engine: Backend) -> None:
    """Raises ValueError where a model to be loaded here is named, and the teacher is elsewhere."""
    if model is not None and isinstance(engine, RemoteBackend):
        raise ValueError(
            f"model {model} is loaded here, but engine {engine.kind} asks for {engine.model}; "
            "remove teacher.model"
        )


def check_probabilities(
    engine: Backend, wanted: Mapping[str, int | None], stored: Sequence[str]
) -> None:
    """Raises ValueError where probabilities of tokens are needed, and only text will come.

    wanted: section of the settings → its `sampling.logprobs`; stored: students that learn them.
    """
    if engine.gives_tokens:
        return
    way_out = "same_tokenizer: true where vLLM serves a model with the base's tokenizer"
    if stored:
        raise ValueError(
            f"student {stored[0]}: kl with teacher: stored needs probabilities of the base's "
            f"tokens, and teacher.engine {engine.kind} gives text; set teacher: adapter_off, or "
            f"{way_out}"
        )
    for section, logprobs in wanted.items():
        if logprobs is not None:
            raise ValueError(
                f"{section}.sampling.logprobs {logprobs}: teacher.engine {engine.kind} gives text; "
                f"set it to null, or {way_out}"
            )
