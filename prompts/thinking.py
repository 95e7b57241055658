"""Thinking models answer without reasoning: their template's switch is set to off."""

import re
from typing import Any

from config.errors import SetupError
from prompts.chat_rendering import ChatRendering
from prompts.reasoning import opens_reasoning

# The template's argument → the value that turns thinking off; the first with an effect is used
_OFF: dict[str, Any] = {
    "enable_thinking": False,  # Qwen3, GLM-4.5, SmolLM3, Gemma 4, Nemotron 3
    "thinking": False,  # DeepSeek-V3.1, Granite 3.2
    "reasoning": False,  # Command A Reasoning
    "thinking_budget": 0,  # Seed-OSS
    "reasoning_effort": "none",  # Mistral
}


def without_thinking(rendering: ChatRendering) -> ChatRendering:
    """The rendering with thinking switched off, where the template has a switch.

    Raises SetupError when the user's arguments turn thinking on, or when the template starts every
    answer with reasoning and has no switch.
    """
    _refuse_thinking_on(rendering)
    for name, off in _OFF.items():
        if name not in rendering.kwargs and _switches(rendering, name):
            rendering = rendering.with_kwargs(**{name: off})
            break
    chat = [{"role": "user", "content": "a"}]
    shorter, longer = rendering.text(chat, generation=False), rendering.text(chat)
    if opens_reasoning(longer.removeprefix(shorter)):
        raise SetupError(
            f"{rendering.model}: its chat template starts every answer with reasoning "
            f"({longer.removeprefix(shorter)!r}) and has no switch for it; use a model that "
            "answers without, such as the instruct version"
        )
    return rendering


def _refuse_thinking_on(rendering: ChatRendering) -> None:
    for name in _OFF.keys() & rendering.kwargs.keys():
        value = rendering.kwargs[name]
        if value != _OFF[name] and _switches(rendering, name):
            raise SetupError(
                f"model.template_kwargs.{name} = {value}: the model would reason before it "
                f"answers, and reasoning is not learnt; remove it (it is then {_OFF[name]})"
            )


def _switches(rendering: ChatRendering, name: str) -> bool:
    """Whether turning this argument off changes the text."""
    if not re.search(rf"\b{name}\b", rendering.source):
        return False
    texts = rendering.with_kwargs(**{name: _OFF[name]}).samples()
    return bool(texts) and texts != rendering.samples()
