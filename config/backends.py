"""The teacher's inference backends: one settings class per backend."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from config.base_url import BaseUrl, EnvironmentVariable
from config.request_fields import RequestFields
from config.settings import Settings


class LocalBackend(Settings):
    """The model is loaded locally, uses the base's tokens, and can score existing answers."""

    gives_tokens: ClassVar[bool] = True
    scores: ClassVar[bool] = True


class SeededBackend(LocalBackend):
    """vLLM, whose samples may have a seed each."""

    # Whether each sample is drawn by a seed of its own, whatever else is answered beside it. On a
    # card vLLM then samples with its slow sampler; without seeds an answer depends on its batch,
    # and what a resumed run still lacks is drawn anew. null: on a CPU yes, with CUDA no
    seeded: bool | None = None


class VllmBackend(SeededBackend):
    """vLLM in this process; transformers where vLLM is not installed."""

    kind: Literal["vllm"] = "vllm"


class TransformersBackend(LocalBackend):
    """transformers in this process, for the students too: slower, on CUDA, Apple's MPS and CPUs.

    It also stands in for vLLM where that is not installed.
    """

    kind: Literal["transformers"] = "transformers"


class RayBackend(SeededBackend):
    """vLLM in `workers` processes of a Ray cluster, one GPU each if the cluster has GPUs.

    Every node needs this checkout, its Python and the model's folder at the same paths.
    """

    kind: Literal["ray"] = "ray"
    workers: PositiveInt = 1  # processes with a model each
    address: str | None = None  # of a running cluster; None: start one locally, then stop it
    batch_rows: PositiveInt = 256  # requests per batch of a worker


class RemoteBackend(RequestFields):
    """A model behind an API that takes chat messages."""

    scores: ClassVar[bool] = False

    model: str  # its name on the server
    # Set it if the server is vLLM and its model has the base's tokenizer and chat template. Then
    # students learn the answers' token ids, and teacher.sampling.logprobs works; else their text.
    same_tokenizer: bool = False

    @model_validator(mode="after")
    def _renders_as_the_base(self) -> "RemoteBackend":
        if self.same_tokenizer and "chat_template_kwargs" in self.extra_body:
            raise ValueError(
                "extra_body: with same_tokenizer the base's template decides; set "
                "model.template_kwargs in place of chat_template_kwargs"
            )
        return self

    @property
    def gives_tokens(self) -> bool:
        """Whether answers come with the base's token ids and their log-probabilities."""
        return self.same_tokenizer


class OpenAiBackend(RemoteBackend):
    """OpenAI-compatible servers of one model, used in turn; dead servers are skipped."""

    kind: Literal["openai"] = "openai"
    base_urls: Annotated[tuple[BaseUrl, ...], Field(min_length=1)]  # usually ending in /v1
    api_key_env: EnvironmentVariable = "OPENAI_API_KEY"  # variable that holds the API key
    concurrency: PositiveInt = 16  # most requests in flight per server
    timeout_s: PositiveFloat = 300.0  # seconds per attempt of a request

    @model_validator(mode="after")
    def _distinct_urls(self) -> "OpenAiBackend":
        if len(set(self.base_urls)) != len(self.base_urls):
            raise ValueError("base_urls: a URL is listed twice; raise concurrency instead")
        return self


class BatchBackend(RemoteBackend):
    """Files in OpenAI's batch format: `prepare` writes them, you send them, `collect` reads."""

    kind: Literal["batch"] = "batch"
    folder: str | None = None  # of requests and results; None: teacher/batch of the run
    shard_rows: PositiveInt = 20_000  # most requests per file; OpenAI accepts 50,000


Backend = Annotated[
    VllmBackend | TransformersBackend | RayBackend | OpenAiBackend | BatchBackend,
    Field(discriminator="kind"),
]
