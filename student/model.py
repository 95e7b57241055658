"""The student: the base model as a method trains it. What is trained is float32, the base as this
machine computes fastest.

Which parameters a method trains is told by `requires_grad`, for every method alike.
"""

import importlib.util
import re
from collections.abc import Sequence
from typing import Any

import torch

from config.errors import ConfigError, SetupError
from config.peft_methods import (
    REWRITES_BASE,
    DoraMethod,
    FullMethod,
    Ia3Method,
    LowRank,
    Method,
    PrefixTuningMethod,
    PromptTuningMethod,
    PTuningMethod,
    QloraMethod,
    RsLoraMethod,
)
from engine.models import load_base
from student.distributed import load_shared

Model = Any  # a peft model around a transformers one; the latter alone where all of it is trained

_FACTOR = re.compile(r"\.lora_[AB]\.")
_IA3_FEEDFORWARD = ("down_proj",)
_IA3 = ("k_proj", "v_proj", *_IA3_FEEDFORWARD)


def load_student(resolved: str, method: Method, seed: int, prompt_ids: Sequence[int] = ()) -> Model:
    """The base with fresh parameters to train, drawn from `seed`.

    `prompt_ids` are the token ids of the system prompt's text (`Renderer.system_ids`). Virtual
    tokens start from them, cut or repeated to their number: prompt tuning (unless it starts from
    noise) from their embeddings, prefix tuning from the keys and values that the base computes for
    them (as Li and Liang advise, section 5.1.5), so that both start as the base behind that text.

    pissa and olora put part of the base's weights into the adapter; that part is computed, not
    drawn, and kept on the model as `initial`, for the saved adapter to be right without it.

    Raises ConfigError where `targets` names no layer, a layer has not the rank to be taken out of
    it, or a text to start from is missing; SetupError where the model cannot be loaded, or qlora
    lacks CUDA or bitsandbytes.
    """
    if isinstance(method, FullMethod):
        return load_shared(resolved)
    base = _in_4_bits(resolved) if isinstance(method, QloraMethod) else load_base(resolved)
    _check_targets(base, method)
    if isinstance(method, LowRank) and method.init in REWRITES_BASE:
        _check_rank(base, method)
        torch.manual_seed(0)  # a second stage must find the same rest of the base
        model = _adapted_exactly(base, method)
        model.initial = _factors(model)
        return model
    torch.manual_seed(seed)
    if isinstance(method, LowRank) and method.init == "orthogonal":
        return _adapted_exactly(base, method)
    model = _adapted(base, method)
    if _starts_from_text(method):
        _start_from(model, method, prompt_ids)
    return model


def trainable(model: Model) -> dict[str, torch.nn.Parameter]:
    """The parameters that are trained, by name."""
    return {name: one for name, one in model.named_parameters() if one.requires_grad}


# -- the base ------------------------------------------------------------------------------------


def _in_4_bits(resolved: str) -> Any:
    if not torch.cuda.is_available() or importlib.util.find_spec("bitsandbytes") is None:
        raise SetupError(
            "method qlora needs a CUDA device and bitsandbytes: install with "
            "`pip install -c constraints-gpu.txt '.[gpu]'` on a GPU machine, or use method lora"
        )
    from transformers import BitsAndBytesConfig

    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    place = {"": torch.cuda.current_device()}
    return load_base(resolved, quantization_config=nf4, device_map=place)


def _check_targets(base: Any, method: Method) -> None:
    targets: tuple[str, ...] = ()
    if isinstance(method, Ia3Method):
        targets = _IA3
    elif isinstance(method, LowRank) and method.targets != "all-linear":
        targets = method.targets
    for target in targets:
        if not _layers(base, (target,)):
            there = sorted({name.rsplit(".", 1)[-1] for name in _layers(base, "all-linear")})
            raise ConfigError(
                f"method {method.kind}: {target!r} names no linear layer of {base.name_or_path}; "
                f"there are {', '.join(there)}"
            )


def _check_rank(base: Any, method: LowRank) -> None:
    for name, layer in _layers(base, method.targets).items():
        most = min(layer.in_features, layer.out_features)
        if method.rank > most:
            raise ConfigError(
                f"rank {method.rank} is more than init {method.init} can take out of {name}; "
                f"set rank: {most}, or init: zero"
            )


def _layers(base: Any, targets: str | tuple[str, ...]) -> dict[str, torch.nn.Linear]:
    """The linear layers that peft adapts, by name: their names end with a target."""
    return {
        name: layer
        for name, layer in base.named_modules()
        if isinstance(layer, torch.nn.Linear)
        and layer is not base.get_output_embeddings()
        and (targets == "all-linear" or any(f".{name}".endswith(f".{one}") for one in targets))
    }


# -- what is trained -----------------------------------------------------------------------------


def _adapted(base: Any, method: Method) -> Model:
    from peft import get_peft_model

    return get_peft_model(base, _peft_config(method, base.get_input_embeddings().embedding_dim))


def _adapted_exactly(base: Any, method: Method) -> Model:
    """With a base that is float32 meanwhile.

    peft rounds an adapter's first weights to the base's type. Where they have to cancel out, among
    themselves or with what was taken from the base, bfloat16 leaves so much that the base is lost.
    """
    types = [(weights, weights.dtype) for weights in base.parameters()]
    for weights, _ in types:
        weights.data = weights.data.float()
    model = _adapted(base, method)
    for weights, dtype in types:
        weights.data = weights.data.to(dtype)
    return model


def _peft_config(method: Method, width: int) -> Any:
    import peft

    task = "CAUSAL_LM"
    match method:
        case LowRank():
            return _lora_config(method)
        case Ia3Method():
            layers, forward = list(_IA3), list(_IA3_FEEDFORWARD)
            return peft.IA3Config(
                target_modules=layers, feedforward_modules=forward, task_type=task
            )
        case PTuningMethod(virtual_tokens=count):
            inner = method.encoder_width or width
            return peft.PromptEncoderConfig(
                num_virtual_tokens=count, encoder_hidden_size=inner, task_type=task
            )
        case PromptTuningMethod(virtual_tokens=count):
            return peft.PromptTuningConfig(
                num_virtual_tokens=count, prompt_tuning_init="RANDOM", task_type=task
            )
        case PrefixTuningMethod(virtual_tokens=count):
            return peft.PrefixTuningConfig(num_virtual_tokens=count, task_type=task)
    raise AssertionError(f"method {method.kind} has no adapter")


def _lora_config(method: LowRank) -> Any:
    from peft import LoraConfig

    # 16 rounds of a randomised decomposition, as PiSSA's authors use: on the embedded model 7 s
    # of CPU instead of 55 for an exact one
    names: dict[str, bool | str] = {"zero": True, "pissa": "pissa_niter_16"}
    return LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        target_modules=method.targets if method.targets == "all-linear" else list(method.targets),
        init_lora_weights=names.get(method.init, method.init),
        use_rslora=isinstance(method, RsLoraMethod),
        use_dora=isinstance(method, DoraMethod),
        task_type="CAUSAL_LM",
    )


def _factors(model: Model) -> dict[str, torch.Tensor]:
    """Copies of all factors A and B, by name, as they start."""
    found = trainable(model).items()
    return {name: one.detach().clone() for name, one in found if _FACTOR.search(name)}


# -- virtual tokens ------------------------------------------------------------------------------


def _starts_from_text(method: Method) -> bool:
    prompt = isinstance(method, PromptTuningMethod) and method.start == "prompt"
    return prompt or isinstance(method, PrefixTuningMethod)


@torch.no_grad()
def _start_from(model: Model, method: Method, prompt_ids: Sequence[int]) -> None:
    from peft import initialize_kv_prefix_from_past_key_values

    if not prompt_ids:
        raise ConfigError(
            f"method {method.kind} starts from the system prompt, which has no text; use lora"
        )
    count = model.active_peft_config.num_virtual_tokens
    ids = torch.tensor([[prompt_ids[at % len(prompt_ids)] for at in range(count)]])  # [1, P]
    base = model.get_base_model()
    if isinstance(method, PrefixTuningMethod):
        seen = base(input_ids=ids, use_cache=True).past_key_values
        initialize_kv_prefix_from_past_key_values(model, past_key_values=seen)
    else:
        table = model.prompt_encoder[model.active_adapter].embedding.weight
        table.copy_(base.get_input_embeddings()(ids)[0])
