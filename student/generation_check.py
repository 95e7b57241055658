"""Whether the base generates answers as the arms need them, on a few tokens of one question."""

import math
from collections.abc import Sequence

from config.errors import ConfigError
from engine.hf_generation import answer_logprobs, generate_answers
from engine.models import TorchModel
from engine.token_sampler import GeneratedAnswer, GenerationSettings
from prompts.chat_template import ChatTemplate
from prompts.reasoning import cut_reasoning
from student.exactness import TOLERANCE, in_float32

_TOKENS = 8  # of an answer: tags and sentences that open reasoning are as long
_BATCHED_TOKENS = 4  # of an answer in a batch


def check_generation(
    model: TorchModel, template: ChatTemplate, prompts: Sequence[tuple[int, ...]]
) -> None:
    """Raises ConfigError, in one line, for log-probabilities that are not finite, for an answer
    that opens with reasoning, and where an answer depends on the other prompts of its batch."""
    alone = GenerationSettings((template.end_of_turn,), _TOKENS, logprobs=0, tokens_per_pass=1)
    for answer in generate_answers(model, prompts, alone):
        _check_answer(model, template, answer)
    check_batch(model, min(prompts, key=len), template.end_of_turn)


def _check_answer(model: TorchModel, template: ChatTemplate, answer: GeneratedAnswer) -> None:
    subject = f"model.name = {model.name_or_path}"
    if not all(map(math.isfinite, answer.logprobs or ())):
        raise ConfigError(
            f"{subject}: its log-probabilities are not finite in {model.dtype}; set "
            "model.dtype: float32, or use another model"
        )
    text = str(template.tokenizer.decode(answer.token_ids, skip_special_tokens=False))
    reasoning = cut_reasoning(text)
    if reasoning.was_cut or not reasoning.separable:
        raise ConfigError(
            f"{subject}: it opens its answer with reasoning ({text[:40]!r}), and reasoning is not "
            "learnt; use a model that answers without, such as the instruct version"
        )


def check_batch(model: TorchModel, prompt: tuple[int, ...], end: int) -> None:
    """Compares a prompt and half of it, padded to one length, with each alone without a cache.

    Raises ConfigError where the log-probabilities of an answer differ.
    """
    prompts = (prompt, prompt[: len(prompt) // 2])
    batched = GenerationSettings((end,), _BATCHED_TOKENS, logprobs=0)
    distance = 0.0  # nats
    with in_float32(model):
        for answer in generate_answers(model, prompts, batched):
            alone = answer_logprobs(model, prompts[answer.prompt], answer.token_ids)
            pairs = zip(alone, answer.logprobs or (), strict=True)
            distance = max(distance, *(abs(own - padded) for own, padded in pairs))
    if not distance <= TOLERANCE:  # NaN is no equality
        raise ConfigError(
            f"model.name = {model.name_or_path}: {type(model).__name__} answers otherwise in a "
            f"padded batch than alone (by {distance:.2g} nats), so it would be evaluated wrongly; "
            "use another model"
        )
