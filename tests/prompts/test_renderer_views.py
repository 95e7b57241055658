"""Both views of a row: the invariants that the whole idea rests on, over four chat templates."""

import copy
from typing import Any

import numpy as np
import pytest

from config.errors import SetupError
from data.rows import Context, Row
from engine.models import load_tokenizer, resolve_model
from prompts.prompt_file import Prompt, WorkedExample, user_text
from prompts.renderer import Renderer
from student.collator import Example, collate

PLAIN = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INJECTS = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are Q.<|im_end|>\n{% endif %}"
    + PLAIN
)
THINKS = PLAIN.replace(
    "assistant\n{% endif %}",
    "assistant\n{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}",
)
PROMPT = Prompt(
    system="Be brief. Say Lakeside.",
    user_template="{summaries}\nQ: {question}",
    examples=(WorkedExample(question="Open?", contexts=("Open at 9.",), answer="At 9."),),
)
ROW = Row(id="r", question="When?", contexts=(Context(text="one"), Context(text="two " * 30)))


def renderer(kind: str) -> Renderer:
    """SmolLM2's own template, or one of three others on a copy of its tokenizer."""
    tokenizer = copy.deepcopy(load_tokenizer(resolve_model("embedded")))
    if kind == "smollm2":
        return Renderer(tokenizer, PROMPT)
    tokenizer.chat_template = {"plain": PLAIN, "injects": INJECTS, "thinks": THINKS}[kind]
    if kind == "thinks":
        tokenizer.add_tokens(["<think>", "</think>"])
    return Renderer(tokenizer, PROMPT, {"enable_thinking": False} if kind == "thinks" else {})


KINDS = ("smollm2", "plain", "injects", "thinks")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_answer_behind_both_views(kind: str) -> None:
    """Invariant 1: equal targets in equal order, each predicted from the position before it."""
    views = renderer(kind)
    answer = views.answer_ids("At 9. See you!")
    assert answer[-1] == views.end_of_turn
    for prompted in (True, False):
        prompt = views.view(ROW, ROW.contexts, prompted)
        batch = collate([Example(np.array(prompt), (np.array(answer),))])
        assert tuple(batch.targets.tolist()) == answer
        places = range(len(prompt) - 1, len(prompt) - 1 + len(answer))
        assert batch.logit_positions.tolist() == list(places)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_passages_is_cut(kind: str) -> None:
    """Invariant 2: from the end, counted; what does not fit without any is said not to fit."""
    views = renderer(kind)
    full = len(views.view(ROW, ROW.contexts, True))
    assert views.kept_contexts(ROW, full)[:3] == (ROW.contexts, 0, True)
    assert views.kept_contexts(ROW, full - 1)[:3] == (ROW.contexts[:1], 1, True)
    least = len(views.view(ROW, (), True))
    assert views.kept_contexts(ROW, least).fits
    assert not views.kept_contexts(ROW, least - 1).fits


@pytest.mark.parametrize("kind", KINDS)
def test_the_unprompted_view_is_what_a_server_builds(kind: str) -> None:
    """Invariant 3: the template's own rendering of one user message, default turn included."""
    views = renderer(kind)
    turn = [{"role": "user", "content": user_text(PROMPT, ROW, ROW.contexts)}]
    expected: Any = views.tokenizer.apply_chat_template(
        turn, add_generation_prompt=True, return_dict=False, enable_thinking=False
    )
    assert views.view(ROW, ROW.contexts, False) == tuple(expected)
    assert ("system" in views.unprompted_frame) == (kind in ("smollm2", "injects"))


@pytest.mark.parametrize("kind", KINDS)
def test_user_text_cannot_speak_the_templates_language(kind: str) -> None:
    """Invariant 4: every added token in question, passage and answer leaves no control id."""
    views = renderer(kind)
    wanted = {
        prompted: views.control_ids(views.view(ROW, ROW.contexts, prompted))
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
            ids = views.view(hostile, hostile.contexts, prompted)
            assert views.control_ids(ids) == wanted[prompted], token
        assert views.control_ids(views.answer_ids(f"say {token}")) == (views.end_of_turn,)


def test_a_model_without_a_template_is_refused() -> None:
    """A clear line instead of a guess at how turns are written."""
    tokenizer = copy.deepcopy(load_tokenizer(resolve_model("embedded")))
    tokenizer.chat_template = None
    with pytest.raises(SetupError, match="has no chat template; use its instruction-tuned"):
        Renderer(tokenizer, PROMPT)


@pytest.mark.parametrize("text", ["{}", "{0.__class__}", "{question} {summaries}", "{{ x }} {%"])
def test_braces_stay_as_they_are(text: str) -> None:
    """Text goes in as data: a question is no template."""
    row = ROW.model_copy(update={"question": text, "contexts": (Context(text=text),)})
    assert user_text(PROMPT, row, row.contexts) == f"Content 1: {text}\nQ: {text}"
