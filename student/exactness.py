"""Whether a student's forward pass computes what the model itself computes.

Short answers to one prompt go through the passes of a training: in one row, and behind the cached
prompt where the objective reads it. Their log-probabilities must be those of `model(...)`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from peft import PeftModel

from config.errors import ConfigError, first_line
from config.peft_methods import Virtual
from config.training import CrossEntropy, OnPolicy, StudentSettings
from engine.attention_support import supports_packed_rows
from engine.models import TorchModel
from engine.token_sampler import GenerationSettings
from student.collator import NO_TOKENS, Example, TokenIds
from student.distiller import Distiller
from student.forward import causal_model
from student.head import Head
from student.memory_plan import USUAL_TOKENS

TOLERANCE = 1e-3  # nats, in float32
_TOLERANCE_4BIT = 0.5  # a 4-bit base multiplies in bfloat16

_LENGTHS = (5, 6, 4, 3)  # tokens of the shared prompt, the question and both answers
_FOREIGN_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


@torch.no_grad()
def check_exact(model: TorchModel, settings: StudentSettings) -> float:
    """The largest difference of a token's log-probability on two answers to one prompt, in nats.

    `model`: as `load_student` gives it; it is compared in float32. Raises ConfigError where the
    difference is above `TOLERANCE`, or where the model cannot be run this way.
    """
    try:
        differences = _differences(model, settings, packed=False)
    except _FOREIGN_ERRORS as error:
        problem = f"a training pass fails ({_first_line(error)})"
        raise ConfigError(_message(model, settings, problem)) from error
    fault = _too_large(model, differences)
    if fault:
        raise ConfigError(_message(model, settings, fault))
    return max(differences.values())


@torch.no_grad()
def packing_fault(model: TorchModel, settings: StudentSettings) -> str | None:
    """Why rows cannot share a packed pass; None: they can, and it gives the model's own numbers.

    `model`: as for `check_exact`. Whatever fails in its packed pass, the padded one remains.
    """
    if isinstance(model, PeftModel) and model.active_peft_config.is_prompt_learning:
        return "virtual tokens stand before every row"
    if not supports_packed_rows(causal_model(model)):
        return "a mask does not describe all that this model's layers see"
    try:
        differences = _differences(model, settings, packed=True)
    except Exception as error:  # a compiler's, too
        return f"a packed pass fails ({_first_line(error)})"
    return _too_large(model, differences)


def _too_large(model: TorchModel, differences: Mapping[str, float]) -> str | None:
    """The first difference that is more than rounding, in words."""
    is_4bit = getattr(causal_model(model), "is_loaded_in_4bit", False)
    for view, difference in differences.items():
        if not difference <= (_TOLERANCE_4BIT if is_4bit else TOLERANCE):  # NaN is no equality
            return f"log-probabilities of {view} are {difference:.2g} nats from the model's own"
    return None


def _first_line(error: Exception) -> str:
    line = first_line(error)
    return f"{type(error).__name__}: {line}"


def _message(model: TorchModel, settings: StudentSettings, problem: str) -> str:
    fixes = ["another model: docs/models.md lists those that work"]
    if isinstance(settings.method, Virtual):
        fixes.insert(0, "method lora")
    if settings.needs_adapter_off:
        fixes.insert(0, "objective ce without retention")
    name = causal_model(model).name_or_path or type(causal_model(model)).__name__
    return f"model.name = {name}, student {settings.name}: {problem}; use {', or '.join(fixes)}"


def _differences(model: TorchModel, settings: StudentSettings, packed: bool) -> dict[str, float]:
    """The largest difference of a token's log-probability by view, in nats."""
    causal, training = causal_model(model), model.training
    model.eval()
    try:
        with in_float32(causal), torch.autocast(causal.device.type, enabled=False):
            return _differences_in_float32(model, settings, packed)
    finally:
        model.train(training)


def _differences_in_float32(
    model: TorchModel, settings: StudentSettings, packed: bool
) -> dict[str, float]:
    system, question, *answers = _token_ids(causal_model(model))
    example = Example(question, tuple(answers), (), np.append(system, question))
    needs_base = settings.needs_adapter_off
    distiller = Distiller(
        model,
        OnPolicy() if needs_base else CrossEntropy(),
        system if needs_base else NO_TOKENS,
        GenerationSettings((0,), 1),
        USUAL_TOKENS,
        packed=packed,
    )
    student, base = [], []
    # passes take longer rows first, as both answers stand in `_LENGTHS`
    for batch, states, teacher in distiller.passes([example]):
        head = Head(causal_model(model))
        student.append(_logprobs(head(states), batch.targets))
        if teacher is not None:
            base.append(_logprobs(head(teacher), batch.targets))
    differences = {
        "the student": _largest_difference(student, _own_logprobs(model, question, answers))
    }
    if needs_base:
        with model.disable_adapter():
            own = _own_logprobs(model, example.teacher_prompt_ids, answers)
        differences["its base behind the prompt"] = _largest_difference(base, own)
    return differences


def _token_ids(causal: Any) -> list[TokenIds]:
    """Random tokens from the middle of the vocabulary, away from control tokens."""
    words = causal.get_input_embeddings().weight.shape[0]
    random = np.random.default_rng(0)
    return [random.integers(words // 4, words // 2, count).astype(np.int32) for count in _LENGTHS]


def _own_logprobs(
    model: TorchModel, prompt: TokenIds, answers: Sequence[TokenIds]
) -> list[torch.Tensor]:
    """Log-probabilities of the tokens of each answer alone, by the whole model's own forward."""
    logprobs = []
    for answer in answers:
        device = causal_model(model).device
        ids = torch.from_numpy(np.append(prompt, answer)).to(device, torch.long)[None]  # [1, T]
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        logprobs.append(_logprobs(logits[0, -len(answer) - 1 : -1], ids[0, -len(answer) :]))
    return logprobs


def _logprobs(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of the targets. [N, V], [N] → [N]."""
    return torch.log_softmax(logits.float(), -1).gather(-1, targets[:, None])[:, 0]


def _largest_difference(ours: list[torch.Tensor], own: list[torch.Tensor]) -> float:
    return float((torch.cat(ours) - torch.cat(own)).abs().max())


@contextmanager
def in_float32(model: torch.nn.Module) -> Iterator[None]:
    """All weights in float32, so that a comparison shows no rounding of bfloat16.

    Layers are cast one at a time, while they run, so that a large model still fits.
    """
    with ExitStack() as stack:
        layers, others = _layers_and_others(model)
        stack.enter_context(_cast(others))
        for layer in layers:
            stack.enter_context(_cast_while_running(layer))
        yield


def _layers_and_others(
    module: torch.nn.Module,
) -> tuple[list[torch.nn.Module], list[torch.nn.Parameter]]:
    """The members of the outermost module lists, and the parameters outside of them."""
    if isinstance(module, torch.nn.ModuleList):
        return list(module), []
    layers, others = [], list(module.parameters(recurse=False))
    for child in module.children():
        child_layers, child_others = _layers_and_others(child)
        layers += child_layers
        others += child_others
    return layers, others


@contextmanager
def _cast(weights: Sequence[torch.nn.Parameter]) -> Iterator[None]:
    originals = [(weight, weight.data) for weight in weights if weight.is_floating_point()]
    for weight, original in originals:
        weight.data = original.float()
    try:
        yield
    finally:
        for weight, original in originals:
            weight.data = original


@contextmanager
def _cast_while_running(layer: torch.nn.Module) -> Iterator[None]:
    running: list[ExitStack] = []

    def enter(*_: Any) -> None:
        stack = ExitStack()
        stack.enter_context(_cast(list(layer.parameters())))
        running.append(stack)

    def leave(*_: Any) -> None:
        running.pop().close()

    hooks = (
        layer.register_forward_pre_hook(enter, prepend=True),
        layer.register_forward_hook(leave, always_call=True),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
