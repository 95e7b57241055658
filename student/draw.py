"""A student's own answers while it is trained, drawn at temperature 1 from the whole vocabulary."""

from collections.abc import Sequence

import torch

from student.batches import micro_batches
from student.forward import Model


@torch.no_grad()
def drawn_answers(
    model: Model, prompts: Sequence[tuple[int, ...]], end: int, max_tokens: int, room: int = 32_768
) -> list[tuple[int, ...]]:
    """Token ids of one answer per prompt, with the ending token where it came, in their order.

    Uses torch's own random state: a resumed training draws what the uninterrupted one draws. Says
    all settings of sampling itself: models ship others in generation_config.json.
    """
    answers: list[tuple[int, ...]] = [()] * len(prompts)
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    for chosen in micro_batches([len(prompt) + max_tokens for prompt in prompts], room):
        width = max(len(prompts[index]) for index in chosen)
        ids = torch.tensor(
            [[end] * (width - len(prompts[i])) + list(prompts[i]) for i in chosen], device=device
        )  # [B, T] left-padded: every row's answer starts at the same position
        lengths = torch.tensor([len(prompts[i]) for i in chosen], device=device)
        mask = (torch.arange(width, device=device)[None] >= width - lengths[:, None]).long()
        drawn = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=max_tokens,
            do_sample=True,
            temperature=1.0,
            top_p=1.0,
            top_k=0,
            repetition_penalty=1.0,
            eos_token_id=end,
            pad_token_id=end,
        )[:, width:]
        for index, tokens in zip(chosen, drawn.tolist(), strict=True):
            stop = tokens.index(end) + 1 if end in tokens else len(tokens)
            answers[index] = tuple(tokens[:stop])
    model.train(training)
    return answers
