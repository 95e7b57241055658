"""Whether the base is a model that can be trained here: whole, unquantised, causal, long enough.

`check_config` reads config.json alone; the other checks need the weights. Each refusal is one line.
"""

from pathlib import Path
from typing import Any

import torch

from config.errors import ConfigError, SetupError, first_line
from config.generation import Dtype
from engine.merge_adapter import ADAPTER_CONFIG
from engine.models import TorchModel, load_base
from engine.precision import precision

# Largest change of earlier logits, as a share of their spread, when later tokens are replaced. In a
# causal model it is 0, or rounding where experts sum in another order; BERT's is about 2.
_CAUSAL_TOLERANCE = 0.05


def check_config(resolved: str, max_length: int) -> Any:
    """The base's config. Raises SetupError or ConfigError for a base that cannot be trained."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    subject = f"model.name = {resolved}"
    if (Path(resolved) / ADAPTER_CONFIG).exists():
        raise ConfigError(_adapter_error(subject))
    try:
        config = AutoConfig.from_pretrained(resolved, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise SetupError(f"{subject}: {_reason(error)}") from None
    quantisation = getattr(config, "quantization_config", None)
    if quantisation is not None:
        raise ConfigError(
            f"{subject}: its weights are quantised ({_quantisation_name(quantisation)}), and an "
            "adapter cannot be trained on and merged into them exactly; name the unquantised "
            "checkpoint (method qlora quantises it itself)"
        )
    if config.is_encoder_decoder or type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ConfigError(
            f"{subject}: {config.model_type} is no decoder-only language model that transformers "
            "loads as AutoModelForCausalLM; use a text model, tuned to follow instructions"
        )
    context = context_length(config)
    if context is not None and max_length > context:
        raise ConfigError(
            f"model.max_length = {max_length}: {resolved} reads at most {context} tokens; set it "
            f"to {context} or less"
        )
    return config


def _reason(error: Exception) -> str:
    if "custom code" in str(error):
        return (
            "it is loaded by code of its own, which is never run; use a model whose architecture "
            "transformers has"
        )
    return f"its config cannot be read: {first_line(error)}"


def _adapter_error(subject: str) -> str:
    return (
        f"{subject}: an adapter, not a model; merge it into its base (peft: merge_and_unload) and "
        "name the merged model"
    )


def _quantisation_name(quantisation: Any) -> str:
    values = quantisation if isinstance(quantisation, dict) else quantisation.to_dict()
    name = values.get("quant_method", "unknown")
    return str(getattr(name, "value", name))


def context_length(config: Any) -> int | None:
    """The most tokens that a model can read, as vLLM derives it; None where no limit is named.

    Rotations that depend on the length of the batch (longrope, dynamic) count up to where they
    change: beyond it the other rows, and the engine, would decide a row's log-probabilities.
    """
    text = config.get_text_config()
    length: int | None = getattr(text, "max_position_embeddings", None)
    rope = getattr(text, "rope_parameters", None) or {}
    if length is None or "rope_type" not in rope:
        return length
    if rope["rope_type"] == "yarn":  # its config may name the length before or after the stretch
        original = rope.get("original_max_position_embeddings") or length
        return max(length, int(original * rope.get("factor", 1.0)))
    if rope["rope_type"] in ("longrope", "dynamic"):
        return rope.get("original_max_position_embeddings") or length
    return length


def load_checked_base(resolved: str, dtype: Dtype = "auto") -> TorchModel:
    """The base on this machine's device, for inference.

    Raises SetupError where the checkpoint lacks weights of a language model, which transformers
    fills with random numbers, or where it is an adapter.
    """
    model, info = load_base(resolved, dtype=precision(dtype), output_loading_info=True)
    if getattr(model, "_hf_peft_config_loaded", False):  # of a hub id
        raise ConfigError(_adapter_error(f"model.name = {resolved}"))
    absent = sorted(info["missing_keys"]) + sorted(str(key) for key in info["mismatched_keys"])
    if absent:
        raise SetupError(
            f"model.name = {resolved}: the checkpoint lacks {len(absent)} weights of "
            f"{type(model).__name__}, such as {absent[0]}, which would be random; name a complete "
            "language model"
        )
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


@torch.no_grad()
def check_causal(model: TorchModel, ids: tuple[int, ...]) -> None:
    """Raises ConfigError where the logits of a token depend on a later one, as in an encoder."""
    half, end = len(ids) // 2, len(ids)
    chats = ids, (*ids[:half], *reversed(ids[: end - half]))  # of the same start and length
    first, second = (
        model(input_ids=torch.tensor([chat], device=model.device)).logits[0, :half].float()
        for chat in chats
    )  # [T/2, V]
    change = (first - second).abs().max()
    if not change <= _CAUSAL_TOLERANCE * first.std():
        raise ConfigError(
            f"model.name = {model.name_or_path}: {type(model).__name__} reads later tokens than "
            "the one it predicts, so it is no causal language model; use one"
        )


def check_vocabulary(model: TorchModel, tokenizer: Any, ids: tuple[int, ...]) -> None:
    """Raises ConfigError where a text or a chat has token ids without an embedding.

    Added tokens without an embedding do not occur in neutralised texts: Gemma 3 has one for images.
    """
    rows: int = model.get_input_embeddings().weight.shape[0]
    added = tokenizer.get_added_vocab()
    words = (index for word, index in tokenizer.get_vocab().items() if word not in added)
    highest = max([*words, *ids])
    if highest >= rows:
        raise ConfigError(
            f"model.name = {model.name_or_path}: its tokenizer has token id {highest}, but its "
            f"embeddings end at {rows - 1}; use the tokenizer that belongs to the model"
        )
