"""Models with fused LoRA layers: training as with peft, and all around it is peft's."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel

from config.peft_methods import LoraMethod
from config.training import CrossEntropy
from engine.models import load_base
from engine.precision import has_bfloat16, has_gpu
from engine.token_sampler import GenerationSettings
from student.checkpoint import save_student
from student.collator import NO_TOKENS, Example
from student.distiller import Distiller
from student.forward import base_only, causal_model
from student.fused_lora import FusedLora, fuse_lora
from student.model import load_student, trainable
from tests.student.architectures import LORA, student_of
from tests.student.tiny_model import ROWS, tiny, token_ids
from tests.student.trained_students import answer_ids, answer_logits, answer_logprobs, prompts

EXPERTS = pytest.mark.filterwarnings("ignore:.*pattern keys did not match")
CONV1D = pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False")
IDS = torch.tensor([[16, 17, 18, 19, 20, 21, 22], [30, 31, 32, 33, 34, 35, 36]])


def fused(model: Any) -> Any:
    """The same model, fused on CPU."""
    twin = copy.deepcopy(model)
    fuse_lora(twin, devices=("cpu",))
    return twin


def nodes(outputs: torch.Tensor) -> int:
    """How many fused layers a backward pass goes through."""
    assert outputs.grad_fn is not None
    pending: list[Any] = [outputs.grad_fn]
    visited: set[Any] = set()
    while pending:
        node = pending.pop()
        if node is not None and node not in visited:
            visited.add(node)
            pending += [parent for parent, _ in node.next_functions]
    return sum("_LoraLinear" in node.name() for node in visited)


def gradients(model: Any, loss: torch.Tensor) -> torch.Tensor:
    """Of all trained parameters, in one vector."""
    weights = list(trainable(model).values())
    grads = torch.autograd.grad(loss, weights, allow_unused=True)  # experts without a token
    pairs = zip(weights, grads, strict=True)
    whole = [torch.zeros_like(weight) if grad is None else grad for weight, grad in pairs]
    return torch.cat([grad.flatten() for grad in whole])


@pytest.mark.parametrize(
    ("family", "layers"),
    [
        ("Llama", 14),
        ("Qwen2", 14),  # biases
        ("Qwen3", 14),
        ("Gemma 3", 14),
        ("Phi-3", 8),
        pytest.param("Qwen3-MoE", 8, marks=EXPERTS),  # peft adapts the experts in its own way
        pytest.param("DeepSeek-V3", 10, marks=EXPERTS),
        pytest.param("GPT-2", 0, marks=CONV1D),  # its weight is transposed
    ],
)
def test_architectures(family: str, layers: int) -> None:
    """Logits and gradients are peft's, and the linear layers are fused."""
    model = student_of(family, LORA)
    twin = fused(model)
    expected, computed = (student(input_ids=IDS).logits for student in (model, twin))
    assert nodes(computed) == layers
    assert torch.allclose(
        computed, expected, rtol=1e-4, atol=1e-5 * float(expected.detach().abs().max())
    )
    theirs = gradients(model, expected.square().mean())
    ours = gradients(twin, computed.square().mean())
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-4


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings")
def test_a_tied_head_may_have_an_adapter() -> None:
    """Its frozen weight is that of the embeddings."""
    model = student_of("Gemma 3", LoraMethod(rank=4, targets=("q_proj",)))
    base = model.unload()
    base.tie_weights()
    torch.manual_seed(2)
    config = LoraConfig(r=4, target_modules=["lm_head", "q_proj"], init_lora_weights=False)
    model = PeftModel(base, config)
    assert base.lm_head.base_layer.weight is base.get_input_embeddings().weight
    twin = fused(model)
    expected, computed = (student(input_ids=IDS).logits for student in (model, twin))
    assert nodes(computed) == 3
    theirs, ours = gradients(model, expected.sum()), gradients(twin, computed.sum())
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-5


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("autocast", [False, True])
def test_checkpointing_computes_the_same_again(reentrant: bool, autocast: bool) -> None:
    """The second pass is fused as the first: equal gradients, to the bit."""
    grads = []
    for checkpointing in (False, True):
        model = fused(tiny())
        causal = causal_model(model)
        causal.enable_input_require_grads()
        if checkpointing:
            causal.gradient_checkpointing_enable({"use_reentrant": reentrant})
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            states = causal.train().model(input_ids=IDS).last_hidden_state
        torch.autograd.backward(states.float().square().sum())
        weights: list[Any] = list(trainable(model).values())
        grads.append(torch.cat([weight.grad.flatten() for weight in weights]))
    assert torch.equal(*grads)
    assert float(grads[0].abs().max()) > 0


@pytest.mark.parametrize("autocast", [False, True])
def test_a_decoder_layer_compiles_without_a_break(autocast: bool) -> None:
    """One graph, forward and backward, of a layer of the model: the eager numbers.

    Only traced: no compiler runs. Under autocast a trace may round at other places.
    """
    model = fused(tiny()).train()
    grads, outputs = [], []
    for compiled in (False, True):
        causal = causal_model(model)
        if compiled:
            for layer in causal.model.layers:
                layer.compile(fullgraph=True, backend="aot_eager")
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            states = causal.model(input_ids=IDS, use_cache=False).last_hidden_state
        outputs.append(states.detach())
        grads.append(gradients(model, states.float().square().sum()))
    limit = 1e-2 if autocast else 1e-5
    for eager, traced in (outputs, grads):
        assert float((traced - eager).norm() / eager.norm()) < limit


@pytest.mark.slow
def test_a_compiled_layer_is_the_eager_one() -> None:
    """By inductor, whose code gcc compiles."""
    layer = fused(tiny()).base_model.model.model.layers[0].mlp
    inputs = torch.randn(2, 7, 32, requires_grad=True)
    weights = [inputs, *(weight for weight in layer.parameters() if weight.requires_grad)]
    results = []
    for module in (layer, torch.compile(layer, fullgraph=True)):
        outputs = module(inputs)
        grads = torch.autograd.grad(outputs.square().sum(), weights)
        results.append([outputs.detach(), *grads])
    for eager, compiled in zip(*results, strict=True):
        assert float((compiled - eager).norm() / eager.norm()) < 1e-5


def test_without_its_adapter_it_is_the_base() -> None:
    """To the bit, with gradients on and in training mode, by either way to switch it off."""
    model = fused(tiny()).train()
    base = copy.deepcopy(model).unload()
    expected = base(input_ids=IDS).logits
    with model.disable_adapter():
        assert torch.equal(model(input_ids=IDS).logits, expected)
    with base_only(model):
        assert torch.equal(model(input_ids=IDS).logits, expected)
    assert nodes(model(input_ids=IDS).logits) == 14


def test_merging_is_pefts() -> None:
    """Merged, taken out again, merged for good: the numbers of an unfused model to the bit."""
    model = tiny()
    twin = fused(model)
    for student in (model, twin):
        student.merge_adapter()
    assert torch.equal(twin(input_ids=IDS).logits, model(input_ids=IDS).logits)
    for student in (model, twin):
        student.unmerge_adapter()
    assert nodes(twin(input_ids=IDS).logits) == 14
    merged, expected = twin.merge_and_unload(), model.merge_and_unload()
    assert not any(isinstance(module, FusedLora) for module in merged.modules())
    assert torch.equal(merged(input_ids=IDS).logits, expected(input_ids=IDS).logits)


def test_a_student_is_fused_where_it_is_trained_on_a_gpu(small: str) -> None:
    """`load_student` fuses every layer, for CUDA alone: on CPU nothing changes."""
    model = load_student(small, LoraMethod(rank=4, alpha=8), 0)
    layers = [module for module in model.modules() if isinstance(module, FusedLora)]
    assert len(layers) == 4 * 7
    assert {device for layer in layers for device in layer.fused_devices} == {"cuda"}
    assert nodes(answer_logits(model, prompts()[0], answer_ids())) == 0


def test_what_is_saved_is_pefts(small: str, tmp_path: Path) -> None:
    """Trained fused, saved, and read by peft alone: the trained model, and greedy answers."""
    model = load_student(small, LoraMethod(rank=4, alpha=8), 0)
    fuse_lora(model, devices=("cpu",))
    train(model, steps=4)
    save_student(model, tmp_path / "adapter")
    served = PeftModel.from_pretrained(load_base(small), str(tmp_path / "adapter"))
    assert torch.equal(answer_logprobs(served), answer_logprobs(model))
    prompt = torch.tensor([prompts()[0]])
    answers = [
        student.generate(input_ids=prompt, max_new_tokens=8, do_sample=False).tolist()
        for student in (served, model)
    ]
    assert answers[0] == answers[1]


def train(model: Any, steps: int, autocast: bool = False) -> list[float]:
    """The losses in nats per token of real optimiser steps on one answer to every question."""
    distiller = Distiller(model, CrossEntropy(), NO_TOKENS, GenerationSettings((2,), 1), 4096)
    rows = [Example(token_ids(prompt), (token_ids(answer_ids()),)) for prompt in prompts()]
    tokens = sum(row.answer_tokens for row in rows)
    optimiser = torch.optim.AdamW(trainable(model).values(), lr=2e-3)
    losses = []
    for _ in range(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            total = sum(distiller.losses(rows), torch.zeros(()))
        torch.autograd.backward(total / tokens)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(total.detach()) / tokens)
    return losses


@pytest.mark.parametrize("kind", ["lora", "rslora"])
def test_a_training_has_the_same_losses(small: str, kind: Any) -> None:
    """Five steps on the embedded model's first layers, to a thousandth of each loss."""
    curves = []
    load = partial(load_student, small, LoraMethod(kind=kind, rank=4, alpha=8), 0, dtype="float32")
    for devices in ((), ("cpu",)):
        model = load().train()
        fuse_lora(model, devices)
        curves.append(train(model, steps=5))
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)
    assert curves[0][-1] < 0.8 * curves[0][0], "it learns"


@pytest.mark.skipif(not has_bfloat16(), reason="the trainer has bfloat16 only where it is fast")
def test_a_training_in_mixed_precision_has_the_same_losses(small: str) -> None:
    """Rounding differs by 2⁻⁹ at each layer, so that steps drift apart more slowly than that."""
    curves = []
    for devices in ((), ("cpu",)):
        model = load_student(small, LoraMethod(rank=4, alpha=8), 0, dtype="bfloat16").train()
        fuse_lora(model, devices)
        curves.append(train(model, steps=5, autocast=True))
    assert curves[1] == pytest.approx(curves[0], rel=1e-2)


def test_rows_of_a_distiller_are_fused(small: str) -> None:
    """The trainer's own passes go through it, several answers to a prompt included."""
    losses = []
    for devices in ((), ("cpu",)):
        model = tiny().train()
        fuse_lora(model, devices)
        distiller = Distiller(model, CrossEntropy(), NO_TOKENS, GenerationSettings((2,), 1), 4096)
        loss = sum(distiller.losses(ROWS), torch.zeros(()))
        assert nodes(loss) == 14 * len(devices)
        losses.append(float(loss.detach()))
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not has_gpu(), reason="the device that it is for")
@pytest.mark.parametrize("kind", ["lora", "qlora"])
def test_on_a_gpu_it_is_pefts(small: str, kind: Any) -> None:
    """As `load_student` fuses it: 28 layers, and the losses and gradients of peft."""
    model = load_student(small, LoraMethod(kind=kind, rank=4, alpha=8), 0, dtype="bfloat16")
    model.to("cuda").train()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    results = []
    for devices in (("cuda",), ()):
        fuse_lora(model, devices)
        with torch.autocast("cuda", torch.bfloat16):
            logits = answer_logits(model, prompts()[0], answer_ids())
        assert nodes(logits) == 28 * len(devices)
        targets = torch.tensor(answer_ids(), device="cuda")
        loss = torch.nn.functional.cross_entropy(logits.float(), targets)
        results.append((loss.detach(), gradients(model, loss)))
    (computed, ours), (expected, theirs) = results
    assert float(computed) == pytest.approx(float(expected), rel=1e-2)
    assert float((ours - theirs).norm() / theirs.norm()) < 5e-2  # bfloat16 through four layers
