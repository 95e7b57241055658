"""Reasoning is cut off in front of an answer, and nothing else is."""

import pytest

from prompts.reasoning import cut_reasoning

IN_FRONT = {
    "tags": "<think>\nTwo sentences.\n</think>\n\nAt 9.",
    "a closing tag alone, as templates that open it leave": "Two sentences.\n</think>\n\nAt 9.",
    "an empty block": "<think>\n\n</think>\n\nAt 9.",
    "two blocks": "<think>a</think>\n<think>b</think>At 9.",
    "a closing tag that the reasoning mentions": "<think>Close with `</think>`.</think>At 9.",
    "two closing tags": "a</think>b</think>At 9.",
    "capitals": "<THINK>a</THINK>At 9.",
    "EXAONE": "<thought>a</thought>At 9.",
    "Magistral": "[THINK]a[/THINK]At 9.",
    "Seed-OSS": "<seed:think>a</seed:think>At 9.",
    "Command A": "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>At 9.<|END_RESPONSE|>",
    "OpenThinker": "<|begin_of_thought|>a<|end_of_thought|>\n"
    "<|begin_of_solution|>At 9.<|end_of_solution|>",
    "Hunyuan": "<think>a</think>\n<answer>\nAt 9.\n</answer>",
    "Kimi": "◁think▷a◁/think▷At 9.",
    "Gemma 4": "<|channel>thought\na<channel|>At 9.",
    "Granite 3.2": "Here is my thought process: a\nHere is my response: At 9.",
    "Apriel": "Here are my reasoning steps:\na\n[BEGIN FINAL RESPONSE]\n"
    "At 9.\n[END FINAL RESPONSE]",
}
PLAIN = (
    "At 9.",
    "",
    " At 9.\n",
    "Write `<think>` before it and '</think>' behind it.",
    "Think: 1 < 2, <b>thought</b>, [1], and a reason > another.",
    "Here is my response: at 9.",
    "analysis of the assistantfinal word",
)
NOT_SEPARABLE = {
    "never closed": "<think>\nTwo sentences, then",
    "closed by another tag": "<think>a</thought>At 9.",
    "within the answer": "At 9. <think>Or 10?</think> Or 10.",
    "gpt-oss": "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final"
    "<|message|>At 9.",
    "gpt-oss without special tokens": "analysisThe user asks.assistantfinalAt 9.",
    "only the first words": "Here is my thought process: the user",
}


@pytest.mark.parametrize("form", IN_FRONT)
def test_the_answer_is_left(form: str) -> None:
    """Of each form that a family or a server writes, only the answer."""
    assert cut_reasoning(IN_FRONT[form]) == ("At 9.", True, True)


@pytest.mark.parametrize("text", PLAIN)
def test_a_text_without_reasoning_stays_as_it_is(text: str) -> None:
    """Tags in quotation marks are a topic, not reasoning."""
    assert cut_reasoning(text) == (text, False, True)


@pytest.mark.parametrize("form", NOT_SEPARABLE)
def test_what_has_no_clear_end_is_no_whole_answer(form: str) -> None:
    """Rather no answer than one with reasoning in it."""
    assert cut_reasoning(NOT_SEPARABLE[form]) == ("", False, False)


def test_reasoning_without_an_answer_leaves_nothing() -> None:
    """An empty answer, which is counted and never learnt."""
    assert cut_reasoning("<think>a</think>") == ("", True, True)
