"""Tokenizers with several chat templates by name, as transformers stores them."""

import copy
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from config.errors import SetupError
from engine.models import load_tokenizer, resolve_model
from prompts.chat_rendering import ChatRendering
from prompts.renderer import Renderer
from prompts.serving_template import serving_template
from tests.prompts.renderer_factory import INJECTS, PLAIN, PROMPT, ROW, THINKS

CHAT = [{"role": "user", "content": "When?"}]
SEVERAL = {"default": PLAIN, "rag": INJECTS, "tool_use": THINKS}


def _tokenizer(templates: Any) -> Any:
    tokenizer = copy.deepcopy(load_tokenizer(resolve_model("embedded")))
    tokenizer.chat_template = templates
    return tokenizer


def _rendering(templates: Any, kwargs: Mapping[str, Any]) -> ChatRendering:
    return ChatRendering(_tokenizer(templates), kwargs, date(2026, 11, 28))


@pytest.mark.parametrize(
    ("kwargs", "source"),
    [
        ({}, PLAIN),
        ({"chat_template": "rag"}, INJECTS),
        ({"chat_template": INJECTS}, INJECTS),
    ],
)
def test_the_source_is_the_template_that_transformers_renders_with(
    kwargs: dict[str, Any], source: str
) -> None:
    rendering = _rendering(SEVERAL, kwargs)
    assert rendering.source == source
    assert rendering.text(CHAT) == _rendering(source, {}).text(CHAT)


@pytest.mark.parametrize(
    ("templates", "kwargs", "message"),
    [
        (
            {"rag": PLAIN, "tool_use": PLAIN},
            {},
            r"no default: rag, tool_use; name one in model\.te",
        ),
        (SEVERAL, {"chat_template": "rga"}, "no chat template of this name; name one of default, "),
        (PLAIN, {"chat_template": "rag"}, "remove it: it has one template, without a name"),
        (SEVERAL, {"chat_template": True}, "no chat template of this name; name one of default, "),
    ],
)
def test_what_names_no_template_is_refused(
    templates: Any, kwargs: dict[str, Any], message: str
) -> None:
    """transformers would render an unknown name as the text of a template."""
    with pytest.raises(SetupError, match=message):
        _rendering(templates, kwargs)


def test_a_student_is_trained_and_served_with_the_default_template(tmp_path: Path) -> None:
    """Also after transformers has saved and loaded the tokenizer with all its templates."""
    _tokenizer(SEVERAL).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.chat_template == SEVERAL
    several, plain = Renderer(tokenizer, PROMPT), Renderer(_tokenizer(PLAIN), PROMPT)
    for prompted in (True, False):
        assert several.view_ids(ROW, prompted) == plain.view_ids(ROW, prompted)
    assert serving_template(several) == serving_template(plain)
