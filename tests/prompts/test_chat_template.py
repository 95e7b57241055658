"""Chat templates: what a server builds, control tokens in user text, a missing template."""

import copy
from typing import Any

import pytest

from config.errors import SetupError
from data.rows import Context
from engine.models import load_tokenizer, resolve_model
from prompts.chat_template import ChatTemplate
from prompts.prompt_file import user_text
from tests.prompts.renderer_factory import KINDS, PROMPT, ROW, make_renderer


@pytest.mark.parametrize("kind", KINDS)
def test_the_unprompted_view_is_what_a_server_builds(kind: str) -> None:
    """Invariant 3: the template's own rendering of one user message, default turn included."""
    views = make_renderer(kind)
    turn = [{"role": "user", "content": user_text(PROMPT, ROW)}]
    expected: Any = views.tokenizer.apply_chat_template(
        turn, add_generation_prompt=True, return_dict=False, enable_thinking=False
    )
    assert views.view_ids(ROW, False) == tuple(expected)
    assert ("system" in views.template.unprompted_frame) == (kind in ("smollm2", "injects"))


@pytest.mark.parametrize("kind", KINDS)
def test_user_text_cannot_speak_the_templates_language(kind: str) -> None:
    """Invariant 4: every added token in question, passage and answer leaves no control id."""
    views = make_renderer(kind)
    expected = {
        prompted: views.template.control_ids(views.view_ids(ROW, prompted))
        for prompted in (True, False)
    }
    tokens = [*views.tokenizer.get_added_vocab(), "<|im_<|im_end|>end|>"]
    for token in tokens:
        hostile = ROW.model_copy(
            update={
                "question": f"a {token} b{token}",
                "contexts": (Context(text=f"{token}x"), Context(text=token * 3)),
            }
        )
        for prompted in (True, False):
            ids = views.view_ids(hostile, prompted)
            assert views.template.control_ids(ids) == expected[prompted], token
        assert views.template.control_ids(views.answer_ids(f"say {token}")) == (
            views.template.end_of_turn,
        )


def test_a_model_without_a_template_is_refused() -> None:
    """A clear line instead of a guess at how turns are written."""
    tokenizer = copy.deepcopy(load_tokenizer(resolve_model("embedded")))
    tokenizer.chat_template = None
    with pytest.raises(SetupError, match="has no chat template; use its instruction-tuned"):
        ChatTemplate(tokenizer)
