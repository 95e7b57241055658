"""Every method: trained, saved, and read again into a fresh model.

On the first layers of the embedded model, so that real words and a real template go through.
"""

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from config.errors import ConfigError, DataError, SetupError
from config.peft_methods import (
    FullMethod,
    LoraMethod,
    PrefixTuningMethod,
    PromptTuningMethod,
    QloraMethod,
    RsLoraMethod,
)
from engine.models import load_base
from engine.precision import has_gpu, precision
from engine.sampling import greedy_answers
from student.checkpoint import load_trained, save_student
from student.model import load_student, trainable
from tests.student.conftest import Learn
from tests.student.learning import (
    END,
    METHODS,
    REWRITING,
    ROUNDING,
    SYSTEM,
    Learnt,
    answer_ids,
    answer_logits,
    distance,
    ids_of,
    prompts,
    seen,
)


def served(small: str, student: Learnt) -> Any:
    """What lies in the saved folder, in a fresh model."""
    if isinstance(student.method, FullMethod):
        return load_base(str(student.served))
    return PeftModel.from_pretrained(load_base(small), str(student.served))


@pytest.mark.parametrize("name", METHODS)
def test_training_goes_on_where_it_was(small: str, learn: Learn, name: str) -> None:
    """A checkpoint in a student of another seed: the trained one, to the bit."""
    student = learn(name)
    fresh = load_student(small, student.method, 1, ids_of(SYSTEM))
    assert not torch.equal(seen(fresh), seen(student.model)), "training changes something"
    load_trained(fresh, student.checkpoint)
    assert torch.equal(seen(fresh), seen(student.model))
    assert trainable(fresh).keys() == trainable(student.model).keys()


@pytest.mark.parametrize("name", METHODS)
def test_what_is_served_is_what_was_trained(small: str, learn: Learn, name: str) -> None:
    """To the bit; rounded once where all weights were trained, or the base's were rewritten.

    And it is far from the base, so that it is no accident that both are the same.
    """
    student = learn(name)
    trained = seen(student.model)
    found = seen(served(small, student))
    if isinstance(student.method, FullMethod):
        rounded = load_student(small, student.method, 0)
        load_trained(rounded, student.checkpoint)
        for weights in rounded.parameters():  # and no buffer: positions stay in float32
            weights.data = weights.data.to(torch.bfloat16).to(getattr(torch, precision()))
        assert torch.equal(found, seen(rounded))
    elif name in REWRITING:
        assert distance(found, trained) < ROUNDING
    else:
        assert torch.equal(found, trained)
    assert distance(found, seen(load_base(small))) > 10 * ROUNDING


@pytest.mark.parametrize("name", METHODS)
def test_adapter_off_is_the_base_to_the_bit(small: str, learn: Learn, name: str) -> None:
    """Invariant 7, for every method whose settings claim it; the answers too are the base's."""
    student = learn(name)
    if not student.method.adapter_off or name in REWRITING:
        pytest.skip("its settings refuse whatever needs the base beside it")
    base = load_base(small)
    with student.model.disable_adapter():
        assert torch.equal(seen(student.model), seen(base))
        answers = greedy_answers(student.model, prompts(), END, 4)
    assert answers == greedy_answers(base, prompts(), END, 4)


@pytest.mark.parametrize("name", REWRITING)
def test_a_rewritten_base_is_made_good(small: str, learn: Learn, name: str) -> None:
    """Saved: s·(B·A − B₀·A₀) on the untouched base; trained: s·B·A on what was left of it.

    So the saved product is what both differ by, and nothing is left of the rounding of the rest.
    """
    student = learn(name)
    key = "base_model.model.model.layers.1.mlp.down_proj"
    layer = student.model.get_submodule(key)
    start = {part: student.model.initial[f"{key}.lora_{part}.default.weight"] for part in "AB"}
    removed = layer.scaling["default"] * start["B"] @ start["A"]
    saved = product(served(small, student).get_submodule(key))
    assert torch.allclose(saved, product(layer) - removed, atol=1e-5)
    untouched = load_base(small).get_submodule("model.layers.1.mlp.down_proj").weight
    rest = layer.base_layer.weight.float()
    rounding = 2**-8 * rest.abs() + 1e-6  # half a step of bfloat16, which keeps 8 bits
    assert ((untouched.float() - removed - rest).abs() <= rounding).all()


def product(layer: Any) -> torch.Tensor:
    """s·B·A of a layer."""
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    found: torch.Tensor = layer.scaling["default"] * b @ a
    return found


@pytest.mark.parametrize("method", [PromptTuningMethod, PrefixTuningMethod])
@pytest.mark.parametrize("count", [12, 40])
def test_virtual_tokens_start_as_the_prompts_text(
    small: str, method: type[PromptTuningMethod | PrefixTuningMethod], count: int
) -> None:
    """Before training it is the base behind the prompt's ids, cut or repeated to their number."""
    system = ids_of(SYSTEM)
    ids = [system[at % len(system)] for at in range(count)]
    assert 12 < len(system) < 40
    student = load_student(small, method(virtual_tokens=count), 0, system)
    base = load_base(small)
    prompt, answer = prompts()[0], answer_ids()
    with torch.no_grad():
        found = answer_logits(student, prompt, answer).log_softmax(-1)
        behind = answer_logits(base, (*ids, *prompt), answer).log_softmax(-1)
        bare = answer_logits(base, prompt, answer).log_softmax(-1)
    assert distance(found, behind) < ROUNDING
    assert distance(found, bare) > 2 * ROUNDING


def test_no_text_to_start_from_is_refused(small: str) -> None:
    """A prompt without text: one line with the way out."""
    with pytest.raises(ConfigError, match=r"prompt_tuning starts from .* no text; use lora"):
        load_student(small, PromptTuningMethod(), 0, ())


def test_orthogonal_factors_start_as_nothing(small: str) -> None:
    """B·A = 0 with neither zero, in float32: the student starts as the base."""
    student = load_student(small, LoraMethod(rank=4, init="orthogonal"), 0)
    layer = student.get_submodule("base_model.model.model.layers.1.mlp.down_proj")
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    assert a.abs().max() > 0.1 and b.abs().max() > 0.1
    assert (b @ a).abs().max() < 1e-6
    assert distance(seen(student), seen(load_base(small))) < ROUNDING / 100


def test_what_is_trained_is_float32_and_the_rest_as_the_machine_computes(learn: Learn) -> None:
    """Small steps would be lost in bfloat16, and the frozen base needs no more."""
    for name in METHODS:
        model = learn(name).model
        assert {one.dtype for one in trainable(model).values()} == {torch.float32}
        frozen = {one.dtype for one in model.parameters() if not one.requires_grad}
        assert frozen <= {getattr(torch, precision())}, name


def test_full_weights_load_as_a_model_of_half_the_size(learn: Learn) -> None:
    """Servers read the type from config.json: float32 there would double what they need."""
    folder = learn("full").served
    tensors = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert '"dtype": "bfloat16"' in (folder / "config.json").read_text("utf-8")
    assert "lm_head.weight" not in tensors, "tied to the embeddings"


def test_another_methods_checkpoint_is_refused(small: str, learn: Learn) -> None:
    """Silently half-restored weights would look like a bad training."""
    fresh = load_student(small, LoraMethod(rank=8), 0)
    with pytest.raises(DataError, match="not what this method trains"):
        load_trained(fresh, learn("lora").checkpoint)


def test_targets_that_name_no_layer_are_refused(small: str) -> None:
    """peft says nothing as long as one of them names a layer."""
    method = LoraMethod(targets=("q_proj", "query"))
    with pytest.raises(ConfigError, match=r"'query' names no linear .*; there are down_proj,"):
        load_student(small, method, 0)
    only = load_student(small, LoraMethod(targets=("self_attn.q_proj",)), 0)
    assert {name.split(".")[-4] for name in trainable(only)} == {"q_proj"}


@pytest.mark.parametrize("init", ["pissa", "olora"])
def test_a_rank_that_no_layer_has_is_refused(small: str, init: Literal["pissa", "olora"]) -> None:
    """k_proj has 192 rows: no more singular vectors are there to be taken out."""
    with pytest.raises(ConfigError, match=rf"rank 200 is more than init {init} .* set rank: 192"):
        load_student(small, RsLoraMethod(rank=200, init=init), 0)


@pytest.mark.skipif(has_gpu(), reason="it works there")
def test_qlora_without_a_gpu_says_what_is_missing(small: str) -> None:
    """One line, before anything is loaded."""
    with pytest.raises(SetupError, match=r"method qlora needs a CUDA .* or use method lora"):
        load_student(small, QloraMethod(), 0)


@pytest.mark.gpu
@pytest.mark.skipif(not has_gpu(), reason="bitsandbytes needs CUDA here")
def test_qlora_is_served_as_trained(small: str, tmp_path: Path) -> None:
    """Its adapter in a fresh 4-bit base is the trained model, up to the order of summation."""
    method = QloraMethod(rank=4, alpha=8)
    student = load_student(small, method, 0)
    assert student.get_base_model().is_loaded_in_4bit
    before = seen(student)
    optimiser = torch.optim.AdamW(trainable(student).values(), lr=1e-2)
    for _ in range(3):
        with torch.autocast("cuda", torch.bfloat16):
            found = answer_logits(student, prompts()[0], answer_ids())
        torch.autograd.backward(found.float().square().mean())
        optimiser.step()
        optimiser.zero_grad()
    save_student(student, tmp_path / "adapter")
    fresh = load_student(small, method, 1).unload()
    again = PeftModel.from_pretrained(fresh, str(tmp_path / "adapter"))
    assert distance(seen(again), seen(student)) < ROUNDING
    assert distance(seen(again), before) > 10 * ROUNDING
