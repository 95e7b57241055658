"""Over fifty families: each is rendered as its own template does, or refused in one line."""

import random
from datetime import date
from functools import cache
from typing import Any

import pytest

from data.rows import Context, Row, Turn
from prompts.prompt_file import user_text
from prompts.reasoning import without_empty_reasoning
from prompts.renderer import Renderer
from tests.prompts.template_families import (
    PROMPT,
    TEMPLATES,
    TemplateRow,
    family_renderer,
    template_row,
)

REFUSED = {
    "DeepSeek-R1": "starts every answer with reasoning",
    "DeepSeek-R1-Distill": "starts every answer with reasoning",
    "Qwen3 Thinking 2507": "starts every answer with reasoning",
    "gpt-oss": "<|channel|>final<|message|>' in front of an answer",
    "Muse Glimmer": "to=user<|message|>' in front of an answer",
    "Falcon": "ends an answer with no special token",
    "GPT-NeoX": "has no chat template",
}
FIRST_USER = {"Gemma, Gemma 2", "Mistral 0.1", "YandexGPT 5 Lite"}
DATED = {"Llama 3.2", "Mistral Small 3", "Granite 3", "SmolLM3"}
SWITCHED = {"Qwen3", "Qwen3.5", "Qwen3.6", "Qwen3.8", "GLM-4.5", "SmolLM3", "Seed-OSS"}
SWITCHED |= {"Nemotron 3 Nano", "Nemotron 3 Super", "Nemotron 3 Ultra", "Nemotron 3.5"}
AS_PARTS = {"SmolVLM", "Idefics3", "LLaVA-NeXT"}
ENDS = {
    "Llama 3": "<|eot_id|>",
    "Gemma 3": "<end_of_turn>",
    "Phi-3": "<|end|>",
    "Cohere2": "<|END_RESPONSE|>",
    "Mistral 0.3": "</s>",
    "GLM-4": "<|user|>",
    "Qwen2.5": "<|im_end|>",
    "OLMo-2": "<|endoftext|>",
}
EXACT = [name for name in TEMPLATES if name not in REFUSED]
PIECES = ("Да, 12.50 €", " \n\n ", "  two  ", "\tх́", "1. a\n2. b", "<b>x</b>", "{{ y }}", "你好 🙂")


@cache
def row_of(name: str) -> TemplateRow:
    """Computed once."""
    return template_row(name)


@cache
def renderer_of(name: str) -> Renderer:
    """With the prompt where the family takes it."""
    return family_renderer(name, row_of(name).system_role or "system")


def test_at_least_25_families_are_covered() -> None:
    """What the docs print; every expectation names a family."""
    assert len(TEMPLATES) >= 25
    assert {*REFUSED, *FIRST_USER, *DATED, *SWITCHED, *ENDS} <= set(TEMPLATES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_family_works_or_is_refused_in_one_line(name: str) -> None:
    """As expected of each, with the place of the prompt, the date and the switch."""
    row = row_of(name)
    assert row.works == (name not in REFUSED)
    assert REFUSED.get(name, "") in row.refusal
    assert "\n" not in row.refusal
    if row.works:
        assert row.system_role == ("first_user" if name in FIRST_USER else "system")
        assert row.writes_date == (name in DATED)
        assert bool(row.thinking) == (name in SWITCHED)


@pytest.mark.parametrize("name", EXACT)
def test_both_views_are_the_templates_own(name: str) -> None:
    """Random rows: ids of the tokenizer's `apply_chat_template`, on another day too; the prompt in
    one view, question, passages, examples and history once in both."""
    renderer, rng = renderer_of(name), random.Random(name)
    for _ in range(4):
        texts = ["".join(rng.choices(PIECES, k=3)) + f" {at}" for at in range(4)]
        row = Row(
            id="r",
            question=texts[0],
            contexts=(Context(text=texts[1]),),
            history=(Turn(question=texts[2], answer=texts[3]),),
        )
        for prompted in (True, False):
            chat: Any = renderer.messages(row, prompted)
            if name in AS_PARTS:
                for turn in chat:
                    turn["content"] = [{"type": "text", "text": turn["content"]}]
            ids: Any = renderer.tokenizer.apply_chat_template(
                chat,
                add_generation_prompt=True,
                return_dict=False,
                strftime_now=date(2026, 11, 27).strftime,
                **renderer.template.kwargs,
            )
            assert renderer.view_ids(row, prompted) == tuple(ids)
            text = renderer.tokenizer.decode(ids)
            assert text.count("Say Lakeside.") == prompted
            assert text.count(user_text(PROMPT, row).strip()) == 1
            assert text.count("Q: Open?") == text.count("In room 2.") == prompted


@pytest.mark.parametrize("name", EXACT)
def test_an_answer_is_the_templates_own(name: str) -> None:
    """Prompt and answer decode to the template's chat, up to the end of the turn: what follows it
    are blanks and end tokens. Behind both views the ids are the same."""
    renderer = renderer_of(name)
    template, tokenizer = renderer.template, renderer.tokenizer
    user = {"role": "user", "content": "When?"}
    for answer in ("At 9.", "«Да» — 1. x\n\n2. y", "No\u0301 <b>z</b>"):
        turns = [user, {"role": "assistant", "content": answer}]
        chat = template.rendering.text([*turns, user], generation=False)
        prompt = tokenizer.decode(template.prompt_ids([user]))
        answered = prompt + tokenizer.decode(template.answer_ids(answer))
        # some write the empty reasoning in front of no answer, or only of the last one
        bare = without_empty_reasoning(prompt) + answered.removeprefix(prompt)
        last = template.rendering.text(turns, generation=False)
        is_own = any(text.startswith((answered, bare)) for text in (chat, last))
        # GLM ends an answer with the next turn, and nothing follows the last one
        assert is_own or last == answered.removesuffix("<|user|>")
        assert template.control_ids(template.answer_ids(answer)) == (template.end_of_turn,)
    if name in ENDS:
        assert tokenizer.convert_ids_to_tokens(template.end_of_turn) == ENDS[name]


@pytest.mark.parametrize("name", EXACT)
def test_no_text_speaks_for_the_template(name: str) -> None:
    """Random texts out of the tokenizer's added tokens and their halves: neutralising ends, is
    done after one call, and leaves no control token; text without one stays as it is."""
    template, rng = renderer_of(name).template, random.Random(name)
    names = list(template.tokenizer.get_added_vocab())
    parts = [*names, *(text[: len(text) // 2] for text in names), " ", "\n", "<", "x"]
    for _ in range(30):
        text = "".join(rng.choices(parts, k=8))
        neutral = template.neutralise(text)
        assert template.neutralise(neutral) == neutral
        assert template.control_ids(template.text_ids(text)) == ()
        if not any(template.control_ids(template.tokenizer.encode(text))):
            assert neutral == text


def test_gemmas_blanks_and_html_are_text() -> None:
    """They are added tokens of its tokenizer, and no frame of a turn."""
    for name in ("Gemma 3", "ChatML on GPT-NeoX's tokens"):
        text = "a\n\nb\n\n\nc  d    e <table><h1>f</h1></table>"
        assert renderer_of(name).template.neutralise(text) == text
