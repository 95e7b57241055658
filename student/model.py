"""The student: the base model with the parameters that a method trains.

Trained parameters are float32; the base has `model.dtype`. `requires_grad`
tells which parameters are trained, for every method.
"""

import importlib.util
from collections.abc import Sequence
from typing import Any

import torch

from config.errors import ConfigError, SetupError, first_line
from config.generation import Dtype
from config.peft_methods import (
    FullMethod,
    Ia3Method,
    LoraMethod,
    Method,
    PrefixTuningMethod,
    PromptTuningMethod,
    PTuningMethod,
)
from engine.models import TorchModel, load_base
from engine.precision import precision
from student.distributed import load_sharded
from student.fused_lora import fuse_lora

_IA3_FEEDFORWARD = ("down_proj",)
_IA3_TARGETS = ("k_proj", "v_proj", *_IA3_FEEDFORWARD)


def load_student(
    resolved: str,
    method: Method,
    seed: int,
    prompt_ids: Sequence[int] = (),
    dtype: Dtype = "auto",
) -> TorchModel:
    """The base with new parameters to train, initialised from `seed`.

    `prompt_ids` are the token ids of the system prompt's text (`Renderer.system_ids`). Virtual
    tokens start from them, cut or repeated to their number: prompt tuning (unless it starts from
    noise) from their embeddings, prefix tuning from the keys and values that the base computes for
    them (Li and Liang, section 5.1.5). Both then start as the base behind that text.

    Raises ConfigError where `targets` names no layer or the text to start from is missing;
    SetupError where the model cannot be loaded, or qlora lacks CUDA or bitsandbytes.
    """
    if isinstance(method, FullMethod):
        return load_sharded(resolved)
    if method.kind == "qlora":
        base = _load_4bit(resolved, dtype)
    else:
        base = load_base(resolved, dtype=precision(dtype))
    torch.manual_seed(seed)
    model = attach_adapter(base, method)
    fuse_lora(model)
    if isinstance(method, PrefixTuningMethod) or (
        isinstance(method, PromptTuningMethod) and method.start == "prompt"
    ):
        try:
            _start_from_prompt(model, method, prompt_ids)
        except (AttributeError, LookupError, ValueError) as error:  # no keys in linear attention
            line = first_line(error)
            raise ConfigError(
                f"method {method.kind} cannot start from the prompt on {_name(base)}: {line}; use "
                "method lora"
            ) from None
    return model


def attach_adapter(base: TorchModel, method: Method) -> TorchModel:
    """The base with the new parameters of a method. Raises ConfigError where it has no place."""
    from peft import get_peft_model

    _check_targets(base, method)
    try:
        return get_peft_model(base, _peft_config(method, base))
    except (TypeError, ValueError) as error:
        line = first_line(error)
        raise ConfigError(
            f"method {method.kind} cannot be attached to {_name(base)}: {line}; use "
            f"{'another model' if method.kind == 'lora' else 'method lora'}"
        ) from None


def trainable(model: TorchModel) -> dict[str, torch.nn.Parameter]:
    """The trained parameters by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


# -- base ----------------------------------------------------------------------------------------


def _load_4bit(resolved: str, dtype: Dtype) -> Any:
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
        bnb_4bit_compute_dtype=getattr(torch, precision(dtype)),
    )
    device_map = {"": torch.cuda.current_device()}
    return load_base(
        resolved, dtype=precision(dtype), quantization_config=nf4, device_map=device_map
    )


def _check_targets(base: Any, method: Method) -> None:
    """peft raises only when no target at all names a layer."""
    targets: tuple[str, ...] = ()
    if isinstance(method, Ia3Method):
        targets = _IA3_TARGETS
    elif isinstance(method, LoraMethod) and method.targets != "all-linear":
        targets = method.targets
    layers = [
        f".{name}"
        for name, layer in base.named_modules()
        if isinstance(layer, torch.nn.Linear) and layer is not base.get_output_embeddings()
    ]
    for target in targets:
        if not any(layer.endswith(f".{target}") for layer in layers):
            names = sorted({layer.rsplit(".", 1)[-1] for layer in layers})
            fix = "name some of them" if isinstance(method, LoraMethod) else "use method lora"
            raise ConfigError(
                f"method {method.kind}: {target!r} names no linear layer of {_name(base)}; its "
                f"layers are {', '.join(names) or 'of another kind'}; {fix}"
            )


def _name(base: Any) -> str:
    return base.name_or_path or type(base).__name__


def _unadapted_layers(base: Any) -> list[str]:
    """Layers of Mamba's blocks, whose kernels multiply by the weights and go round an adapter."""
    mixers = any(hasattr(layer, "conv1d") and hasattr(layer, "D") for layer in base.modules())
    return ["conv1d", "x_proj", "dt_proj", "out_proj"] if mixers else []


# -- adapter -------------------------------------------------------------------------------------


def _peft_config(method: Method, base: TorchModel) -> Any:
    import peft

    task = "CAUSAL_LM"
    width: int = base.get_input_embeddings().embedding_dim
    match method:
        case LoraMethod(targets=targets):
            return peft.LoraConfig(
                r=method.rank,
                lora_alpha=method.alpha,
                lora_dropout=method.dropout,
                target_modules=targets if targets == "all-linear" else list(targets),
                exclude_modules=_unadapted_layers(base) if targets == "all-linear" else None,
                init_lora_weights=True if method.init == "zero" else method.init,
                use_rslora=method.kind == "rslora",
                use_dora=method.kind == "dora",
                task_type=task,
            )
        case Ia3Method():
            return peft.IA3Config(
                target_modules=list(_IA3_TARGETS),
                feedforward_modules=list(_IA3_FEEDFORWARD),
                task_type=task,
            )
        case PTuningMethod(virtual_tokens=count):
            return peft.PromptEncoderConfig(
                num_virtual_tokens=count,
                encoder_hidden_size=method.encoder_width or width,
                task_type=task,
            )
        case PromptTuningMethod(virtual_tokens=count):
            return peft.PromptTuningConfig(
                num_virtual_tokens=count, prompt_tuning_init="RANDOM", task_type=task
            )
        case PrefixTuningMethod(virtual_tokens=count):
            return peft.PrefixTuningConfig(num_virtual_tokens=count, task_type=task)
    raise AssertionError(f"method {method.kind} has no adapter")


@torch.no_grad()
def _start_from_prompt(model: TorchModel, method: Method, prompt_ids: Sequence[int]) -> None:
    from peft import initialize_kv_prefix_from_past_key_values

    if not prompt_ids:
        raise ConfigError(
            f"method {method.kind} starts from the system prompt, which has no text; use lora"
        )
    count = model.active_peft_config.num_virtual_tokens
    ids = torch.tensor([[prompt_ids[i % len(prompt_ids)] for i in range(count)]])  # [1, P]
    base = model.get_base_model()
    if isinstance(method, PrefixTuningMethod):
        cache = base(input_ids=ids, use_cache=True).past_key_values
        initialize_kv_prefix_from_past_key_values(model, past_key_values=cache)
    else:
        embeddings = model.prompt_encoder[model.active_adapter].embedding.weight
        embeddings.copy_(base.get_input_embeddings()(ids)[0])
