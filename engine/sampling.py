"""Answers drawn by transformers, in batches filled by tokens, whatever is trained on the model.

Brings virtual tokens itself instead of by peft's `generate`: that puts a batch's padding between
them and the text, so that an answer would depend on what it is batched with.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from transformers import LogitsProcessor, LogitsProcessorList

Model = Any  # a peft model around a transformers one, or the latter alone


@dataclass(frozen=True)
class SamplingSettings:
    """How answers are drawn."""

    ends: tuple[int, ...]  # token ids that end an answer
    max_tokens: int
    sampled: bool = False  # at temperature 1 from the whole vocabulary; False: greedily
    logprobs: bool = False  # of each token of a greedy answer
    room: int = 32_768  # tokens of a batch at most: padding, virtual tokens and answers included


class SampledAnswer(NamedTuple):
    """One answer."""

    prompt: int  # its place among the prompts
    token_ids: tuple[int, ...]  # with the ending token, where one came
    logprobs: tuple[float, ...] | None


def sample_answers(
    model: Model, prompts: Sequence[tuple[int, ...]], how: SamplingSettings
) -> Iterator[SampledAnswer]:
    """One answer per prompt, batch by batch, the longest prompts first.

    Uses torch's own random state. An adapter that is disabled (`disable_adapter`) is not there.
    """
    training = model.training
    model.eval()  # while training, transformers drops the cache under gradient checkpointing
    try:
        front = _virtual_tokens(model)
        lengths = [front + len(prompt) + how.max_tokens for prompt in prompts]
        for chosen in token_batches(lengths, how.room):
            yield from _draw(model, chosen, [prompts[index] for index in chosen], how)
    finally:
        model.train(training)


def greedy_answers(
    model: Model, prompts: Sequence[tuple[int, ...]], end: int, max_tokens: int
) -> list[list[int]]:
    """Token ids of the greedy answers, without the ending token, in the prompts' order."""
    answers: list[list[int]] = [[] for _ in prompts]
    for drawn in sample_answers(model, prompts, SamplingSettings((end,), max_tokens)):
        answers[drawn.prompt] = [token for token in drawn.token_ids if token != end]
    return answers


@torch.no_grad()
def given_logprobs(model: Model, prompt: Sequence[int], answer: Sequence[int]) -> tuple[float, ...]:
    """The log-probability of each token of a given answer behind a prompt."""
    training = model.training
    model.eval()
    try:
        device = next(model.parameters()).device
        ids = torch.tensor([[*prompt, *answer]], device=device)  # [1, T]
        mask = torch.ones_like(ids)  # peft puts that of its virtual tokens before it
        found = model(input_ids=ids, attention_mask=mask, logits_to_keep=len(answer) + 1)
    finally:
        model.train(training)
    logprobs = torch.log_softmax(found.logits[0, :-1].float(), -1)  # [N, V]
    return tuple(logprobs.gather(1, ids[0, -len(answer) :, None])[:, 0].tolist())


def token_batches(lengths: Sequence[int], room: int) -> Iterator[list[int]]:
    """Indices by falling length, as many at a time as fit into `room` tokens with their padding.

    One that is longer than that is alone.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    while order:
        count = max(1, room // lengths[order[0]])
        yield order[:count]
        order = order[count:]


@torch.no_grad()
def _draw(
    model: Model, places: list[int], prompts: list[tuple[int, ...]], how: SamplingSettings
) -> list[SampledAnswer]:
    causal = model.get_base_model() if isinstance(model, PeftModel) else model
    inputs = _inputs(model, prompts, how.ends[0])
    noted = _Likeliest()
    # every setting that a model's generation_config.json could bring along is said here
    tokens = causal.generate(
        **inputs,
        max_new_tokens=how.max_tokens,
        do_sample=how.sampled,
        temperature=1.0,
        top_p=1.0,
        top_k=0 if how.sampled else 50,  # transformers' default, or it warns that it is not used
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        eos_token_id=list(how.ends),
        pad_token_id=how.ends[0],
        synced_gpus=False,  # weights in shares are put together before
        logits_processor=LogitsProcessorList([noted] if how.logprobs else []),
    )
    start = inputs["input_ids"].shape[1] if "input_ids" in inputs else 0
    drawn = []
    for row, place in enumerate(places):
        ids = _up_to_end(tokens[row, start:].tolist(), how.ends)
        logprobs = tuple(float(step[row]) for step in noted.steps[: len(ids)])
        drawn.append(SampledAnswer(place, ids, logprobs if how.logprobs else None))
    return drawn


def _up_to_end(tokens: list[int], ends: tuple[int, ...]) -> tuple[int, ...]:
    for at, token in enumerate(tokens):
        if token in ends:
            return tuple(tokens[: at + 1])
    return tuple(tokens)


class _Likeliest(LogitsProcessor):  # type: ignore[misc]
    """Notes the log-probability of the likeliest token, the one that a greedy answer takes."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []  # [B] each

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self.steps.append(torch.log_softmax(scores.float(), -1).amax(-1).cpu())
        return scores


def _virtual_tokens(model: Model) -> int:
    """How many virtual tokens stand before a prompt; 0 where the adapter is off, or has none."""
    if not isinstance(model, PeftModel) or not model.active_peft_config.is_prompt_learning:
        return 0
    count: int = model.active_peft_config.num_virtual_tokens
    return count if model.has_active_enabled_adapter else 0


def _inputs(model: Model, prompts: list[tuple[int, ...]], pad: int) -> dict[str, Any]:
    """What the transformers model's `generate` takes, virtual tokens included."""
    device = next(model.parameters()).device
    front = _virtual_tokens(model)
    if not front:
        return _left_padded(prompts, pad, device)
    virtual = model.get_prompt(batch_size=len(prompts))
    if isinstance(virtual, torch.Tensor):
        inputs = _left_padded([(pad,) * front + prompt for prompt in prompts], pad, device)
        embeddings = model.get_base_model().get_input_embeddings()(inputs.pop("input_ids"))
        for row, prompt in enumerate(prompts):  # between padding and text
            start = embeddings.shape[1] - len(prompt) - front
            embeddings[row, start : start + front] = virtual[row].to(embeddings.dtype)
        return {**inputs, "inputs_embeds": embeddings}
    # Keys and values come before the padding; positions are counted without it all the same.
    # `generate` leaves away as many ids as they stand for.
    inputs = _left_padded(prompts, pad, device)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    stand_ins = ids.new_full((len(prompts), front), pad)
    return {
        "input_ids": torch.cat([stand_ins, ids], 1),
        "attention_mask": torch.cat([torch.ones_like(stand_ins), mask], 1),
        "past_key_values": virtual,
    }


def _left_padded(
    prompts: list[tuple[int, ...]], pad: int, device: torch.device
) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask`, each [B, T]: every answer starts at the same place."""
    width = max(map(len, prompts))
    rows = [[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    mask = torch.arange(width, device=device)[None] >= width - lengths[:, None]
    return {"input_ids": torch.tensor(rows, device=device), "attention_mask": mask.long()}
