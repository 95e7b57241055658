"""The text of a user turn."""

import pytest

from data.rows import Context
from prompts.prompt_file import user_text
from tests.prompts.renderer_factory import PROMPT, ROW


@pytest.mark.parametrize("text", ["{}", "{0.__class__}", "{question} {summaries}", "{{ x }} {%"])
def test_braces_stay_as_they_are(text: str) -> None:
    """Text goes in as data: a question is no template."""
    row = ROW.model_copy(update={"question": text, "contexts": (Context(text=text),)})
    assert user_text(PROMPT, row) == f"Content 1: {text}\nQ: {text}"
