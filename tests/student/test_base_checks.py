"""Bases that people bring: each passes, or is refused in one line that names the way out."""

from collections.abc import Callable
from pathlib import Path

import pytest
import transformers

from config.errors import UnpromptedError
from engine.models import load_tokenizer, resolve_model
from student.base_checks import (
    check_causal,
    check_config,
    check_vocabulary,
    context_length,
    load_checked_base,
)
from tests.student.unusual_bases import (
    WORDS,
    adapter,
    bart,
    encoder,
    llama,
    multimodal,
    plain,
    reward_model,
    t5,
    with_config,
)

MakeBase = Callable[[Path], str]
IDS = tuple(range(5, 25))
LENGTH = 2048  # model.max_length


def check(folder: str) -> None:
    """All checks of a base, in the order of the preflight."""
    resolved = resolve_model(folder)
    check_config(resolved, LENGTH)
    model = load_checked_base(resolved)
    check_vocabulary(model, load_tokenizer(resolved), IDS)
    check_causal(model, IDS)


def quantised(method: str) -> MakeBase:
    return lambda folder: with_config(folder, quantization_config={"quant_method": method})


def file(folder: Path) -> str:
    path = folder.with_suffix(".gguf")
    path.write_bytes(b"GGUF")
    return str(path)


def own_code(folder: Path) -> str:
    own = {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}
    return with_config(folder, model_type="own", auto_map=own)


REFUSED: dict[str, tuple[MakeBase, str]] = {
    "a peft adapter": (adapter, "an adapter, not a model; merge it into its base"),
    "a GGUF file": (file, "a file; name the folder"),
    "GPTQ": (quantised("gptq"), r"quantised \(gptq\).* name the unquantised checkpoint"),
    "AWQ": (quantised("awq"), r"quantised \(awq\)"),
    "4 bits": (quantised("bitsandbytes"), r"quantised \(bitsandbytes\)"),
    "FP8": (quantised("fp8"), r"quantised \(fp8\)"),
    "compressed tensors": (quantised("compressed-tensors"), r"quantised \(compressed-tensors\)"),
    "code of its own": (own_code, "code of its own, which is never run; use a model"),
    "a reward model": (reward_model, r"lacks 1 weights .* such as lm_head.weight"),
    "BERT": (encoder, "reads later tokens than the one it predicts"),
    "T5": (t5, "t5 is no decoder-only language model"),
    "BART": (bart, "bart is no decoder-only language model"),
    "too few embeddings": (
        lambda folder: plain(folder, vocab_size=WORDS - 100),
        f"token id {WORDS - 1}, but its embeddings end at {WORDS - 101}",
    ),
    "a shorter context": (
        lambda folder: plain(folder, max_position_embeddings=1024),
        r"model.max_length = 2048: .* reads at most 1024 tokens; set it to 1024 or less",
    ),
}
PASSING: dict[str, MakeBase] = {
    "a Llama": plain,
    "tied": lambda folder: plain(folder, tie_word_embeddings=True),
    "embeddings beyond the tokenizer": lambda folder: plain(folder, vocab_size=WORDS + 64),
    "Gemma 3 with images": multimodal,
}


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    make, expected = REFUSED[name]
    folder = make(tmp_path / "base")
    with pytest.raises(UnpromptedError, match=expected) as refusal:
        check(folder)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", PASSING)
def test_passes(tmp_path: Path, name: str) -> None:
    check(PASSING[name](tmp_path / "base"))


def test_the_context_is_the_stretched_one() -> None:
    """Of YaRN, a config names the length before the stretch (Qwen2.5) or after it (gpt-oss)."""
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1000}
    for length in (1000, 4000):
        config = llama(max_position_embeddings=length, rope_parameters={**yarn, "rope_theta": 1e4})
        assert context_length(config) == 4000
    assert context_length(llama(max_position_embeddings=1000)) == 1000


def test_a_rotation_that_changes_with_the_length_counts_up_to_the_change() -> None:
    """Phi-3 with 128k: one longer row would change the rotation of every row of its batch."""
    factors = {"short_factor": [1.0] * 4, "long_factor": [2.0] * 4}
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "original_max_position_embeddings": 4096}
    config = transformers.Phi3Config(
        hidden_size=32,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=131072,
        original_max_position_embeddings=4096,
        rope_parameters={**rope, **factors},
    )
    assert context_length(config) == 4096
