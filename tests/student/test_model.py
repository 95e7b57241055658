"""Every method: trained, saved, and read again into a fresh model.

On the first layers of the embedded model, so that real words and a real template go through.
"""

from pathlib import Path
from typing import Any

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
)
from engine.hf_generation import greedy_answers
from engine.models import load_base
from engine.precision import has_gpu, precision
from student.checkpoint import load_trained, save_student
from student.model import load_student, trainable
from tests.student.conftest import TrainStudent
from tests.student.trained_students import (
    END,
    METHODS,
    ROUNDING,
    SYSTEM,
    TrainedStudent,
    answer_ids,
    answer_logits,
    answer_logprobs,
    distance,
    ids_of,
    prompts,
)


def served(small: str, student: TrainedStudent) -> Any:
    """What lies in the saved folder, in a fresh model."""
    if isinstance(student.method, FullMethod):
        return load_base(str(student.served))
    return PeftModel.from_pretrained(load_base(small), str(student.served))


@pytest.mark.parametrize("name", METHODS)
def test_training_goes_on_where_it_was(small: str, learn: TrainStudent, name: str) -> None:
    """A checkpoint in a student of another seed: the trained one, to the bit."""
    student = learn(name)
    fresh = load_student(small, student.method, 1, ids_of(SYSTEM))
    assert not torch.equal(answer_logprobs(fresh), answer_logprobs(student.model)), (
        "training changes something"
    )
    load_trained(fresh, student.checkpoint)
    assert torch.equal(answer_logprobs(fresh), answer_logprobs(student.model))
    assert trainable(fresh).keys() == trainable(student.model).keys()


@pytest.mark.parametrize("name", METHODS)
def test_what_is_served_is_what_was_trained(small: str, learn: TrainStudent, name: str) -> None:
    """To the bit; rounded once where all weights were trained.

    And it is far from the base, so that it is no accident that both are the same.
    """
    student = learn(name)
    trained = answer_logprobs(student.model)
    actual = answer_logprobs(served(small, student))
    if isinstance(student.method, FullMethod):
        rounded = load_student(small, student.method, 0)
        load_trained(rounded, student.checkpoint)
        for weights in rounded.parameters():  # and no buffer: positions stay in float32
            weights.data = weights.data.to(torch.bfloat16).to(getattr(torch, precision()))
        assert torch.equal(actual, answer_logprobs(rounded))
    else:
        assert torch.equal(actual, trained)
    assert distance(actual, answer_logprobs(load_base(small))) > 10 * ROUNDING


@pytest.mark.parametrize("name", METHODS)
def test_adapter_off_is_the_base_to_the_bit(small: str, learn: TrainStudent, name: str) -> None:
    """Invariant 7, for every method whose settings claim it; the answers too are the base's."""
    student = learn(name)
    if not student.method.adapter_off:
        pytest.skip("its settings refuse whatever needs the base beside it")
    base = load_base(small)
    with student.model.disable_adapter():
        assert torch.equal(answer_logprobs(student.model), answer_logprobs(base))
        answers = greedy_answers(student.model, prompts(), END, 4)
    assert answers == greedy_answers(base, prompts(), END, 4)


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
        actual = answer_logits(student, prompt, answer).log_softmax(-1)
        behind = answer_logits(base, (*ids, *prompt), answer).log_softmax(-1)
        bare = answer_logits(base, prompt, answer).log_softmax(-1)
    assert distance(actual, behind) < ROUNDING
    assert distance(actual, bare) > 2 * ROUNDING


def test_no_text_to_start_from_is_refused(small: str) -> None:
    """A prompt without text: one line with the way out."""
    with pytest.raises(ConfigError, match=r"prompt_tuning starts from .* no text; use lora"):
        load_student(small, PromptTuningMethod(), 0, ())


def test_what_is_trained_is_float32_and_the_rest_as_the_machine_computes(
    learn: TrainStudent,
) -> None:
    """Small steps would be lost in bfloat16, and the frozen base needs no more."""
    for name in METHODS:
        model = learn(name).model
        assert {one.dtype for one in trainable(model).values()} == {torch.float32}
        frozen = {one.dtype for one in model.parameters() if not one.requires_grad}
        assert frozen <= {getattr(torch, precision())}, name


def test_full_weights_load_as_a_model_of_half_the_size(learn: TrainStudent) -> None:
    """Servers read the type from config.json: float32 there would double what they need."""
    folder = learn("full").served
    tensors = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert '"dtype": "bfloat16"' in (folder / "config.json").read_text("utf-8")
    assert "lm_head.weight" not in tensors, "tied to the embeddings"


def test_another_methods_checkpoint_is_refused(small: str, learn: TrainStudent) -> None:
    """Silently half-restored weights would look like a bad training."""
    fresh = load_student(small, LoraMethod(rank=8), 0)
    with pytest.raises(DataError, match="holds the parameters of another method"):
        load_trained(fresh, learn("lora").checkpoint)


def test_targets_that_name_no_layer_are_refused(small: str) -> None:
    """peft says nothing as long as one of them names a layer."""
    method = LoraMethod(targets=("q_proj", "query"))
    with pytest.raises(ConfigError, match=r"'query' names no linear .*; its layers are down_proj,"):
        load_student(small, method, 0)
    only = load_student(small, LoraMethod(targets=("self_attn.q_proj",)), 0)
    assert {name.split(".")[-4] for name in trainable(only)} == {"q_proj"}


@pytest.mark.skipif(has_gpu(), reason="it works there")
def test_qlora_without_a_gpu_says_what_is_missing(small: str) -> None:
    """One line, before anything is loaded."""
    with pytest.raises(SetupError, match=r"method qlora needs a CUDA .* or use method lora"):
        load_student(small, LoraMethod(kind="qlora"), 0)


@pytest.mark.gpu
@pytest.mark.skipif(not has_gpu(), reason="bitsandbytes needs CUDA here")
def test_qlora_is_served_as_trained(small: str, tmp_path: Path) -> None:
    """Its adapter in a fresh 4-bit base is the trained model, up to the order of summation."""
    method = LoraMethod(kind="qlora", rank=4, alpha=8)
    student = load_student(small, method, 0)
    assert student.get_base_model().is_loaded_in_4bit
    before = answer_logprobs(student)
    optimiser = torch.optim.AdamW(trainable(student).values(), lr=1e-2)
    for _ in range(3):
        with torch.autocast("cuda", torch.bfloat16):
            actual = answer_logits(student, prompts()[0], answer_ids())
        torch.autograd.backward(actual.float().square().mean())
        optimiser.step()
        optimiser.zero_grad()
    save_student(student, tmp_path / "adapter")
    fresh = load_student(small, method, 1).unload()
    again = PeftModel.from_pretrained(fresh, str(tmp_path / "adapter"))
    assert distance(answer_logprobs(again), answer_logprobs(student)) < ROUNDING
    assert distance(answer_logprobs(again), before) > 10 * ROUNDING
