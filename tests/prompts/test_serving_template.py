"""The serving template drops exactly the prompt: the chat with it is the chat without it."""

import copy
from functools import cache

import pytest

from data.rows import Context, Row, Turn
from prompts.chat_rendering import ChatRendering, Message
from prompts.prompt_file import Prompt
from prompts.renderer import Renderer
from prompts.serving_template import serving_template
from tests.prompts.renderer_factory import KINDS, make_renderer
from tests.prompts.template_families import TEMPLATES, family_renderer, template_row

ROW = Row(
    id="r",
    question="When?",
    contexts=(Context(text="At 9."),),
    history=(Turn(question="Where?", answer="There."),),
)
WITH_SYSTEM = [
    name for name in TEMPLATES if (row := template_row(name)).works and row.system_role == "system"
]
# quotes, breaks, braces and characters beyond 16 bits in the template's source
HOSTILE = "Say \"{{ x }}\" or '{% y %}'.\n\tC:\\new \\u0041 {# z #}\n«Да» 🙂 %} }}"


@cache
def served(renderer_name: str) -> tuple[Renderer, ChatRendering]:
    renderer = (
        make_renderer(renderer_name) if renderer_name in KINDS else family_renderer(renderer_name)
    )
    return renderer, serving(renderer)


def serving(renderer: Renderer) -> ChatRendering:
    """The rendering of a tokenizer that has the serving template."""
    tokenizer = copy.deepcopy(renderer.tokenizer)
    tokenizer.chat_template = serving_template(renderer)
    own = renderer.template.rendering
    return ChatRendering(tokenizer, own.kwargs, own.today)


def raw_chat(renderer: Renderer, prompted: bool) -> list[Message]:
    own = renderer.messages(ROW, prompted=False)
    return [*renderer.prompt_turns, *own] if prompted else own


@pytest.mark.parametrize("name", [*KINDS, *WITH_SYSTEM])
def test_a_chat_with_the_prompt_is_the_chat_without(name: str) -> None:
    """With the worked examples and with the system turn alone; every other chat stays as it is."""
    renderer, served_rendering = served(name)
    own, without = renderer.template.rendering, raw_chat(renderer, prompted=False)
    assert served_rendering.text(without) == own.text(without)
    assert served_rendering.text(raw_chat(renderer, prompted=True)) == own.text(without)
    system_alone = [renderer.prompt_turns[0], *without]
    assert served_rendering.text(system_alone) == own.text(without) != own.text(system_alone)
    another = [{"role": "system", "content": "Rhyme."}, *without]
    assert served_rendering.text(another) == own.text(another)
    longer = [{"role": "system", "content": renderer.prompt.system + " Rhyme."}, *without]
    assert served_rendering.text(longer) == own.text(longer)


def test_a_prompt_of_any_characters() -> None:
    """Whatever it holds: its text is a literal of the template."""
    base = make_renderer("plain")
    renderer = Renderer(base.tokenizer, Prompt(system=HOSTILE, user_template="{question}"))
    rendering = serving(renderer)
    without = raw_chat(renderer, prompted=False)
    assert rendering.text(raw_chat(renderer, prompted=True)) == rendering.text(without)
    changed = [{"role": "system", "content": HOSTILE.replace("🙂", "🙃")}, *without]
    assert rendering.text(changed) == renderer.template.rendering.text(changed)


def test_parts_and_space_around_the_text() -> None:
    """Some clients send a list of parts, and trim or do not."""
    renderer, rendering = served("plain")
    without = raw_chat(renderer, prompted=False)
    parts = [{"type": "text", "text": f"\n{renderer.prompt.system} "}]
    chat = [{"role": "system", "content": parts}, *without]
    text = rendering.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == rendering.text(without)


@pytest.mark.parametrize("blanks", ["\n", "  ", "\n\n  ", "{# x #}\n "])
def test_a_template_that_begins_with_blanks(blanks: str) -> None:
    """They are rendered, or not, as they were."""
    base = make_renderer("plain")
    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.chat_template = blanks + tokenizer.chat_template
    renderer = Renderer(tokenizer, base.prompt)
    without = raw_chat(renderer, prompted=False)
    own = renderer.template.rendering.text(without)
    for prompted in (False, True):
        assert serving(renderer).text(raw_chat(renderer, prompted)) == own


def test_a_turn_without_content() -> None:
    """An answer may be a tool call alone."""
    renderer, rendering = served("plain")
    call = {"role": "assistant", "content": None}
    chat = [renderer.prompt_turns[0], call, {"role": "user", "content": "And?"}]
    text = rendering.tokenizer.apply_chat_template(chat, tokenize=False)
    expected = renderer.tokenizer.apply_chat_template(chat[1:], tokenize=False)
    assert text == expected


def test_the_prompt_alone_stays() -> None:
    """A chat needs a turn."""
    renderer, rendering = served("plain")
    chat = renderer.prompt_turns[:1]
    assert rendering.text(chat) == renderer.template.rendering.text(chat)


def test_none_where_the_prompt_stands_in_the_users_turn() -> None:
    base = make_renderer("plain")
    renderer = Renderer(base.tokenizer, base.prompt, system_role="first_user")
    assert renderer.prompt_turns == [] and serving_template(renderer) is None
