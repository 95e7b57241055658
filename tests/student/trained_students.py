"""A small model with real weights, and students of every method trained on one answer."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from config.peft_methods import (
    FullMethod,
    Ia3Method,
    LoraMethod,
    Method,
    PrefixTuningMethod,
    PromptTuningMethod,
    PTuningMethod,
)
from engine.models import load_base, load_tokenizer, resolve_model
from engine.precision import has_bfloat16
from student.checkpoint import save_student, save_trained
from student.model import load_student, trainable

LAYERS = 4  # of the embedded model's 30: enough to learn one answer, and a tenth of the time
STEPS = 12
SYSTEM = "You are the desk of the Lakeside university. Answer in one short sentence."
ANSWER = "Lakeside desk: hello there!"
QUESTIONS = ("What is the capital of France?", "Name a colour, and say why you like it.", "Say hi.")
LIVE = ("p_tuning", "prompt_tuning", "prefix_tuning")
END = 2  # <|im_end|>
# Mean distance in nats of a token's logprob that rounding to bfloat16 once more or once less makes:
# measured 0.08–0.11 on these layers, as between the base in float32 and in bfloat16 (0.10); what
# was learnt moves it by 7 and more.
ROUNDING = 0.2
SMALL = {"rank": 4, "alpha": 8}
# name → method, learning rate of the steps
METHODS: dict[str, tuple[Method, float]] = {
    "lora": (LoraMethod(**SMALL), 1e-2),
    "rslora": (LoraMethod(kind="rslora", **SMALL), 1e-2),
    "dora": (LoraMethod(kind="dora", **SMALL), 1e-2),
    "ia3": (Ia3Method(), 1e-1),
    "p_tuning": (PTuningMethod(virtual_tokens=8, encoder_width=64), 1e-2),
    "prompt_tuning": (PromptTuningMethod(virtual_tokens=8), 1e-1),
    "prefix_tuning": (PrefixTuningMethod(virtual_tokens=8), 1e-1),
    "full": (FullMethod(), 1e-3),
}


@dataclass(frozen=True)
class TrainedStudent:
    """A trained student and its files."""

    method: Method
    model: Any
    checkpoint: Path
    served: Path
    sha256: str


def small_model(folder: Path) -> str:
    """The embedded model's first layers with its tokenizer."""
    resolved = resolve_model("embedded")
    model = load_base(resolved)
    model.model.layers = model.model.layers[:LAYERS]
    model.config.num_hidden_layers = LAYERS
    model.save_pretrained(folder)
    load_tokenizer(resolved).save_pretrained(folder)
    return str(folder)


@cache
def _tokenizer() -> Any:
    return load_tokenizer(resolve_model("embedded"))


def prompts() -> list[tuple[int, ...]]:
    """The questions as chats, of different lengths."""
    tokenizer = _tokenizer()
    turns = [[{"role": "user", "content": question}] for question in QUESTIONS]
    chats = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    return [tuple(chat) for chat in chats]


def ids_of(text: str) -> tuple[int, ...]:
    """Token ids of a text alone."""
    return tuple(_tokenizer().encode(text, add_special_tokens=False))


def answer_ids() -> tuple[int, ...]:
    """The answer, ended."""
    return (*ids_of(ANSWER), _tokenizer().eos_token_id)


def train_student(model_folder: str, name: str, folder: Path) -> TrainedStudent:
    """A student trained to give ANSWER to every question, saved to resume and to serve."""
    method, rate = METHODS[name]
    model = load_student(model_folder, method, 0, ids_of(SYSTEM))
    teach(model, rate)
    save_trained(model, folder)
    sha256 = save_student(model, folder / "adapter")
    return TrainedStudent(method, model.eval(), folder, folder / "adapter", sha256)


def teach(model: Any, rate: float) -> None:
    """A few optimiser steps on the answer's tokens, as the trainer does it: mixed precision."""
    optimiser = torch.optim.AdamW(trainable(model).values(), lr=rate)
    for step in range(STEPS):
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16()):
            logits = answer_logits(model, prompts()[step % len(QUESTIONS)], answer_ids())
        torch.autograd.backward(cross_entropy(logits.float(), torch.tensor(answer_ids())))
        optimiser.step()
        optimiser.zero_grad()


def answer_logits(model: Any, prompt: tuple[int, ...], answer: tuple[int, ...]) -> torch.Tensor:
    """Logits [N, V] where the answer's tokens are predicted, in a plain forward pass."""
    device = next(model.parameters()).device
    ids = torch.tensor([[*prompt, *answer]], device=device)
    mask = torch.ones_like(ids)
    logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=len(answer) + 1).logits
    return logits[0, :-1]  # type: ignore[no-any-return]


@torch.no_grad()
def answer_logprobs(model: Any) -> torch.Tensor:
    """Log-probabilities [N, V] where the answer to the first question is predicted."""
    logits = answer_logits(model.eval(), prompts()[0], answer_ids())
    return torch.log_softmax(logits.float(), -1)


def distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """Mean distance of log-probabilities, in nats."""
    return float((first - second).abs().mean())
