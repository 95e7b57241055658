"""Compiled decoder layers: the same numbers, one code for all layers, and nothing else changed."""

from typing import Any

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn.attention.flex_attention import create_block_mask, create_mask
from transformers import LlamaConfig, LlamaForCausalLM

from config.training import CrossEntropy, OnPolicy
from engine.hf_generation import generate_answers
from engine.prefix_cache import attending_to, compute_prefix
from engine.token_sampler import GenerationSettings
from student.collator import collate
from student.compiled_layers import compile_layers, decoder_layers, uncompile_layers
from student.forward import causal_model
from student.packed_masks import packed_mask_function
from tests.student.test_distiller import assert_same, loss_of, new_distiller
from tests.student.test_packed_passes import FOUR, packed
from tests.student.tiny_model import ROWS, SYSTEM, tiny


def is_dense(mask: Any) -> bool:
    """Stands for the block mask: on a CPU a packed pass has a dense one."""
    return isinstance(mask, torch.Tensor) and mask.dtype == torch.bool


@pytest.fixture
def backend() -> Any:
    """Counts what is compiled. The C++ compiler is left out for time; autograd's part is not."""
    torch._dynamo.reset()
    yield CompileCounterWithBackend("aot_eager")
    torch._dynamo.reset()


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_same_losses_by_one_code(backend: Any, checkpointing: bool) -> None:
    """Passes of other content: compiled once, gradients to 1e-5. The first layer has a code of its
    own: nothing before it is trained, so its input takes no gradient."""
    distiller = packed(new_distiller(CrossEntropy(), 64))
    causal = causal_model(distiller.model)
    names = list(distiller.model.state_dict())
    if checkpointing:
        causal.gradient_checkpointing_enable({"use_reentrant": False})
        distiller.model.train()
    compile_layers(causal, is_dense, backend)
    for rows in (ROWS, [FOUR], [FOUR, *ROWS[1:]]):
        assert_same(loss_of(distiller, rows), loss_of(new_distiller(CrossEntropy(), 1), rows))
    assert backend.frame_count <= 2
    assert list(distiller.model.state_dict()) == names


def test_a_base_behind_a_prefix(backend: Any) -> None:
    """Its attention is not traced, so layers share their code whatever their number: four parts
    around the attention, beside the student's two."""
    distiller = packed(new_distiller(OnPolicy(), 64))
    compile_layers(causal_model(distiller.model), is_dense, backend)
    for rows in (ROWS, ROWS[1:], ROWS):
        assert_same(loss_of(distiller, rows), loss_of(new_distiller(OnPolicy(), 1), rows))
    assert backend.frame_count <= 6


def test_generation_is_not_compiled(backend: Any) -> None:
    """Its shapes change with each token."""
    model = tiny()
    compile_layers(causal_model(model), backend=backend)
    settings = GenerationSettings((2,), 4)
    answers = [answer.token_ids for answer in generate_answers(model, [(5, 6, 7)], settings)]
    assert backend.frame_count == 0
    uncompile_layers(causal_model(model))
    assert all("forward" not in vars(layer) for layer in decoder_layers(causal_model(model)))
    assert [one.token_ids for one in generate_answers(model, [(5, 6, 7)], settings)] == answers


@pytest.mark.parametrize(("behind_prefix", "window"), [(False, None), (False, 4), (True, None)])
def test_block_masks_compiled(backend: Any, behind_prefix: bool, window: int | None) -> None:
    """The way of a graphics card as far as a CPU goes: block masks through the model's own layers,
    new ones by pass, whose forward is the dense mask's. Heads are 16 wide, as the kernel asks."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 6, "vocab_size": 50}
    causal = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=4, num_key_value_heads=2))
    prefix = compute_prefix(causal.eval(), SYSTEM) if behind_prefix else None
    skipped = prefix.length if prefix else 0
    for rows in (ROWS, [FOUR], [*ROWS, FOUR]):
        batch = collate(rows, packed_width=128)
        sees = packed_mask_function(batch, window, skipped)
        states = []
        for compiled in (False, True):
            mask: Any = create_mask(packed_mask_function(batch, window), 1, 1, 128, 128, "cpu")
            if compiled:
                mask = create_block_mask(sees, 1, None, 128, skipped + 128, "cpu")
                compile_layers(causal, backend=backend)
            with torch.no_grad(), attending_to(causal, prefix):
                states.append(
                    causal.model(
                        input_ids=batch.input_ids,
                        attention_mask=mask,
                        position_ids=batch.positions + skipped,
                        use_cache=False,
                    ).last_hidden_state
                )
            uncompile_layers(causal)
        assert torch.allclose(states[0], states[1], atol=1e-5)
    assert backend.frame_count <= (4 if behind_prefix else 1)  # not by layer, not by pass
