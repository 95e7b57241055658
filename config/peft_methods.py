"""How a student differs from its base: one class per family of methods, with its fields alone.

A class also says how its trained weights are served, so that impossible combinations are refused
when the settings are read.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from config.settings import Fraction, Settings, usual_kind

# adapter: vLLM serves it beside the base · folded: merged into the base's weights · live: vLLM has
# no such adapter; transformers generates the answers
Served = Literal["adapter", "folded", "live"]

_VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # values of vLLM's --max-lora-rank
MAX_RANK = _VLLM_RANKS[-1]  # of the adapters that vLLM serves


def vllm_rank(rank: int) -> int:
    """The least value of vLLM's --max-lora-rank that takes an adapter; `rank` ≤ MAX_RANK."""
    return next(value for value in _VLLM_RANKS if value >= rank)


class LoraMethod(Settings):
    """Low-rank adapters on linear layers (Hu et al., arXiv 2106.09685), and their variants."""

    adapter_off: ClassVar[bool] = True  # whether disabling the adapter gives the untouched base

    rank: PositiveInt = 32  # of the two matrices of each adapted layer
    alpha: PositiveFloat = 64  # the update is scaled by alpha / rank
    dropout: Fraction = 0.0  # share of an adapter's inputs that is set to 0 in training
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"  # adapted layers, by name
    init: Literal["zero", "gaussian"] = "zero"  # of A: Kaiming-uniform or Gaussian; B starts at 0
    # rslora: scaled by alpha / √rank (Kalajdzievski, arXiv 2312.03732) · dora: on the direction of
    # the weights, with a trained magnitude (Liu, arXiv 2402.09353) · qlora: on a base in 4 bits
    # (nf4; Dettmers et al., arXiv 2305.14314), needs CUDA; it is served and scored on the base in
    # bfloat16, not on the 4-bit base of its training
    kind: Literal["lora", "rslora", "dora", "qlora"] = "lora"

    @property
    def served(self) -> Served:
        """How the weights are served. vLLM serves neither DoRA nor a rank above its limit."""
        return "folded" if self.kind == "dora" or self.rank > MAX_RANK else "adapter"

    @model_validator(mode="after")
    def _spares_the_head(self) -> "LoraMethod":
        if self.targets != "all-linear" and "lm_head" in self.targets:
            raise ValueError(
                "targets: lm_head cannot be adapted: the loss projects to the vocabulary with the "
                "base's head; leave it out"
            )
        return self


class Ia3Method(Settings):
    """Trained factors on keys, values and feed-forward layers (Liu et al., arXiv 2205.05638)."""

    served: ClassVar[Served] = "folded"
    adapter_off: ClassVar[bool] = True

    kind: Literal["ia3"] = "ia3"


class Virtual(Settings):
    """Fields of all methods that put trained virtual tokens before the text."""

    served: ClassVar[Served] = "live"
    adapter_off: ClassVar[bool] = True

    virtual_tokens: PositiveInt = 32  # number of these tokens


class PTuningMethod(Virtual):
    """Virtual tokens computed by a small network (Liu et al., arXiv 2103.10385)."""

    kind: Literal["p_tuning"] = "p_tuning"
    encoder_width: NonNegativeInt = 0  # hidden size of the network; 0: the base's


class PromptTuningMethod(Virtual):
    """Virtual tokens trained directly (Lester et al., arXiv 2104.08691)."""

    kind: Literal["prompt_tuning"] = "prompt_tuning"
    start: Literal["prompt", "random"] = "prompt"  # from the system prompt's text, or from noise


class PrefixTuningMethod(Virtual):
    """Keys and values of virtual tokens in every layer (Li and Liang, arXiv 2101.00190).

    They start as those of the system prompt's text; started from noise, training diverges.
    """

    kind: Literal["prefix_tuning"] = "prefix_tuning"


class FullMethod(Settings):
    """Every weight is trained; no untouched base is left."""

    served: ClassVar[Served] = "folded"
    adapter_off: ClassVar[bool] = False

    kind: Literal["full"] = "full"


Method = Annotated[
    LoraMethod | Ia3Method | PTuningMethod | PromptTuningMethod | PrefixTuningMethod | FullMethod,
    Field(discriminator="kind"),
    usual_kind("lora"),
]
