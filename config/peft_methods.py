"""How a student differs from its base: one class per method, with the fields of that method alone.

A class also says how its trained weights are served, so that impossible combinations are refused
when the settings are read.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from config.settings import Fraction, Settings, usual_kind

# adapter: vLLM serves it beside the base · folded: merged into the base's weights · live: vLLM has
# no such adapter; transformers generates the answers
Served = Literal["adapter", "folded", "live"]

MAX_RANK = 512  # of the adapters that vLLM serves


class LowRank(Settings):
    """Fields of all low-rank adapters."""

    served: ClassVar[Served] = "adapter"
    adapter_off: ClassVar[bool] = True  # whether disabling the adapter gives the untouched base

    rank: PositiveInt = 32
    alpha: PositiveFloat = 64  # the update is scaled by alpha / rank
    dropout: Fraction = 0.0
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"  # names of linear layers
    init: Literal["zero", "gaussian"] = "zero"  # of A: Kaiming-uniform or Gaussian; B starts at 0

    @model_validator(mode="after")
    def _spares_the_head(self) -> "LowRank":
        if self.targets != "all-linear" and "lm_head" in self.targets:
            raise ValueError(
                "targets: lm_head cannot be adapted: the loss projects to the vocabulary with the "
                "base's head; leave it out"
            )
        return self


class LoraMethod(LowRank):
    """Low-rank adapters on every linear layer (Hu et al., arXiv 2106.09685)."""

    kind: Literal["lora"] = "lora"


class RsLoraMethod(LowRank):
    """LoRA scaled by alpha / √rank (Kalajdzievski, arXiv 2312.03732)."""

    kind: Literal["rslora"] = "rslora"


class DoraMethod(LowRank):
    """LoRA on the direction of the weights, with a trained magnitude (Liu, arXiv 2402.09353)."""

    served: ClassVar[Served] = "folded"

    kind: Literal["dora"] = "dora"


class QloraMethod(LowRank):
    """LoRA on a base in 4 bits, nf4 (Dettmers et al., arXiv 2305.14314); needs CUDA.

    It is served and scored on the base in bfloat16, not on the 4-bit base of its training.
    """

    kind: Literal["qlora"] = "qlora"


class Ia3Method(Settings):
    """Trained factors on keys, values and feed-forward layers (Liu et al., arXiv 2205.05638)."""

    served: ClassVar[Served] = "folded"
    adapter_off: ClassVar[bool] = True

    kind: Literal["ia3"] = "ia3"


class Virtual(Settings):
    """Fields of all methods that put trained virtual tokens before the text."""

    served: ClassVar[Served] = "live"
    adapter_off: ClassVar[bool] = True

    virtual_tokens: PositiveInt = 32


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
    LoraMethod
    | RsLoraMethod
    | DoraMethod
    | QloraMethod
    | Ia3Method
    | PTuningMethod
    | PromptTuningMethod
    | PrefixTuningMethod
    | FullMethod,
    Field(discriminator="kind"),
    usual_kind("lora"),
]


def served_as(method: Method) -> Served:
    """How the trained weights are served. Adapters of a rank above vLLM's limit are folded."""
    if isinstance(method, LowRank) and method.rank > MAX_RANK:
        return "folded"
    return method.served
