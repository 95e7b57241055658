"""Thinking is off where a template has a switch; where it has none, the template is refused."""

from typing import Any

import pytest

from config.errors import SetupError
from prompts.chat_template import ChatTemplate
from tests.prompts.renderer_factory import PLAIN
from tests.prompts.template_families import Family, family_tokenizer

OPEN = "{% if SWITCH %}<think>\n{% else %}<think>\n\n</think>\n\n{% endif %}"
SWITCHES: dict[str, tuple[str, Any]] = {
    "enable_thinking": ("enable_thinking is not defined or enable_thinking", False),
    "thinking": ("thinking is not defined or thinking", False),
    "thinking_budget": ("thinking_budget is not defined or thinking_budget != 0", 0),
    "reasoning_effort": ("reasoning_effort != 'none'", "none"),
}
USER = [{"role": "user", "content": "a"}]


def template(ending: str, kwargs: dict[str, Any]) -> ChatTemplate:
    """With this text at the end of the generation prompt."""
    source = PLAIN.replace("assistant\n{% endif %}", f"assistant\n{ending}{{% endif %}}")
    family = Family(source, ("<|im_start|>", "<|im_end|>"), "<|im_end|>")
    return ChatTemplate(family_tokenizer(family), kwargs)


@pytest.mark.parametrize("name", SWITCHES)
def test_the_switch_is_found_and_turned_off(name: str) -> None:
    """The prompt ends with an empty block; the argument is there for servers to be sent."""
    condition, off = SWITCHES[name]
    off_template = template(OPEN.replace("SWITCH", condition), {})
    assert off_template.kwargs == {name: off}
    prompt = off_template.tokenizer.decode(off_template.prompt_ids(USER))
    assert prompt.endswith("<think>\n\n</think>\n\n")


def test_a_user_who_turns_thinking_on_is_told_why_not() -> None:
    """Instead of a student that learns reasoning."""
    with pytest.raises(SetupError, match=r"template_kwargs.enable_thinking = True: .*remove it"):
        template(OPEN.replace("SWITCH", "enable_thinking"), {"enable_thinking": True})


@pytest.mark.parametrize("tag", ["<think>\n", "[THINK]", "<thought>", "<|START_THINKING|>"])
def test_reasoning_without_a_switch_is_refused(tag: str) -> None:
    """As DeepSeek-R1's distilled models and Qwen3 Thinking 2507 are."""
    with pytest.raises(SetupError, match=r"starts every answer with reasoning .* no switch for it"):
        template(tag, {})


def test_a_closed_block_is_not_thinking() -> None:
    """DeepSeek-V3.1 closes the block of reasoning that it never opened."""
    assert template("</think>", {}).kwargs == {}
