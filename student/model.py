"""The student: the base model with an adapter that is trained, and the base left as it was."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from config.methods import LoraMethod

Model = Any  # a peft model around a transformers one


def load_student(resolved: str, method: LoraMethod, seed: int, start: Path | None = None) -> Model:
    """The base in bfloat16, frozen, with float32 adapters: those of `start`, or fresh ones drawn
    from `seed`."""
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(
        resolved, dtype=torch.bfloat16, trust_remote_code=False, use_safetensors=True
    )
    if start is not None:
        return PeftModel.from_pretrained(base, str(start), is_trainable=True)
    torch.manual_seed(seed)  # the adapters' first weights
    lora = LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, lora)


@torch.no_grad()
def greedy_answers(
    model: Model, prompts: list[tuple[int, ...]], end: int, max_tokens: int, room: int = 32_768
) -> list[list[int]]:
    """Token ids of the model's greedy answers, without the ending token, in the prompts' order.

    An answer that reaches `max_tokens` has that many. A batch holds at most `room` tokens, padding
    and answers included.
    """
    answers: list[list[int]] = [[] for _ in prompts]
    device = next(model.parameters()).device
    for chosen in _batches([len(prompt) + max_tokens for prompt in prompts], room):
        width = max(len(prompts[index]) for index in chosen)
        # left-padded: every row's answer starts at the same position
        ids = torch.tensor(
            [[end] * (width - len(prompts[i])) + list(prompts[i]) for i in chosen], device=device
        )  # [B, T]
        lengths = torch.tensor([len(prompts[i]) for i in chosen], device=device)
        mask = (torch.arange(width, device=device)[None] >= width - lengths[:, None]).long()
        drawn = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=max_tokens,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end,
        )[:, width:]
        for index, tokens in zip(chosen, drawn.tolist(), strict=True):
            answers[index] = tokens[: tokens.index(end)] if end in tokens else tokens
    return answers


def _batches(lengths: list[int], room: int) -> Iterator[list[int]]:
    """Indices by falling length, as many at a time as fit into `room` tokens; at least one."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    while order:
        count = max(1, room // lengths[order[0]])
        yield order[:count]
        order = order[count:]
