"""How a student differs from its base: one class per method, each with what it alone needs.

A class also says how what it trains can be served, so that what cannot work is refused when the
settings are read.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from config.settings import Fraction, Settings, usual_kind

# adapter: vLLM serves it beside the base · folded: into the base's weights · live: it is no change
# of weights that vLLM knows; transformers answers
Served = Literal["adapter", "folded", "live"]

MAX_RANK = 512  # of the adapters that vLLM serves
REWRITES_BASE = ("pissa", "olora")  # initialisations that take their weights out of the base's


class LowRank(Settings):
    """What all low-rank adapters share."""

    served: ClassVar[Served] = "adapter"
    adapter_off: ClassVar[bool] = True  # whether the untouched base is still there to be asked

    rank: PositiveInt = 32
    alpha: PositiveFloat = 64  # the update is scaled by alpha / rank
    dropout: Fraction = 0.0
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"  # names of linear layers
    init: Literal["zero", "gaussian", "orthogonal", "pissa", "olora"] = "zero"

    @model_validator(mode="after")
    def _spares_the_head(self) -> "LowRank":
        if self.targets != "all-linear" and "lm_head" in self.targets:
            raise ValueError(
                "targets: lm_head cannot be adapted: the loss projects to the vocabulary with the "
                "base's head; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _halves(self) -> "LowRank":
        if self.init == "orthogonal" and self.rank % 2:
            raise ValueError(f"init orthogonal needs an even rank, not {self.rank}")
        return self

    @property
    def saved_rank(self) -> int:
        """Rank of the adapter that is saved: twice where the base's part is taken out again."""
        return 2 * self.rank if self.init in REWRITES_BASE else self.rank


class LoraMethod(LowRank):
    """Low-rank adapters on every linear layer (Hu et al., arXiv 2106.09685)."""

    kind: Literal["lora"] = "lora"


class RsLoraMethod(LowRank):
    """LoRA scaled by alpha / √rank (Kalajdzievski, arXiv 2312.03732)."""

    kind: Literal["rslora"] = "rslora"


class DoraMethod(LowRank):
    """LoRA on the direction, and a magnitude of its own (Liu et al., arXiv 2402.09353)."""

    served: ClassVar[Served] = "folded"

    kind: Literal["dora"] = "dora"


class QloraMethod(LowRank):
    """LoRA on a base in 4 bits, nf4 (Dettmers et al., arXiv 2305.14314); needs CUDA.

    It is served, and so scored, on the base in bfloat16, which it was not trained on.
    """

    kind: Literal["qlora"] = "qlora"

    @model_validator(mode="after")
    def _spares_the_base(self) -> "QloraMethod":
        if self.init in REWRITES_BASE:
            raise ValueError(
                f"init {self.init} rewrites the base's weights, which qlora keeps in 4 bits; "
                "use init: zero, or method lora"
            )
        return self


class Ia3Method(Settings):
    """Factors on keys, values and the feed-forward layers (Liu et al., arXiv 2205.05638)."""

    served: ClassVar[Served] = "folded"
    adapter_off: ClassVar[bool] = True

    kind: Literal["ia3"] = "ia3"


class Virtual(Settings):
    """What all methods share that put learnt vectors before the text."""

    served: ClassVar[Served] = "live"
    adapter_off: ClassVar[bool] = True

    virtual_tokens: PositiveInt = 32


class PTuningMethod(Virtual):
    """Virtual tokens made by a small network (Liu et al., arXiv 2103.10385)."""

    kind: Literal["p_tuning"] = "p_tuning"
    encoder_width: NonNegativeInt = 0  # of the network; 0: the base's own width


class PromptTuningMethod(Virtual):
    """Virtual tokens learnt directly (Lester et al., arXiv 2104.08691)."""

    kind: Literal["prompt_tuning"] = "prompt_tuning"
    start: Literal["prompt", "random"] = "prompt"  # from the system prompt's text, or from noise


class PrefixTuningMethod(Virtual):
    """Keys and values of virtual tokens in every layer (Li and Liang, arXiv 2101.00190).

    They start as those of the system prompt's text: from noise the base is lost at once.
    """

    kind: Literal["prefix_tuning"] = "prefix_tuning"


class FullMethod(Settings):
    """Every weight is trained; there is no untouched base left to be asked."""

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
    """How what it saves is served: an adapter of a higher rank than vLLM takes is folded."""
    if isinstance(method, LowRank) and method.saved_rank > MAX_RANK:
        return "folded"
    return method.served
