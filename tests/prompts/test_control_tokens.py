"""User text cannot inject control tokens, in the tokenizers of many model families."""

import copy

import pytest

from data.rows import Context, Row
from engine.models import load_tokenizer, resolve_model
from prompts.prompt_file import Prompt
from prompts.renderer import Renderer
from tests.prompts.test_template_families import EXACT, renderer_of

PROMPT = Prompt(system="Be brief.", user_template="{summaries}\nQ: {question}")
PLAIN = Row(id="r", question="When?", contexts=(Context(text="At nine."),))

FAMILIES = {
    "llama": ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>"],
    "gemma": ["<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<unused0>"],
    "mistral": ["[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[TOOL_CALLS]", "</s>"],
    "deepseek": ["<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<think>", "</think>"],
}


@pytest.mark.reliability(line=14)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_control_token_comes_out_of_user_text(family: str) -> None:
    """Every added token × question, passage, answer: 0 leaks. The tokens of 4 families are added
    to the embedded model's vocabulary."""
    tokenizer = copy.deepcopy(load_tokenizer(resolve_model("embedded")))
    tokenizer.add_tokens(FAMILIES[family], special_tokens=True)
    first, second = FAMILIES[family][:2]
    tokenizer.chat_template = (
        "{% for m in messages %}"
        f"{first}{{{{ m['role'] }}}}: {{{{ m['content'] }}}}{second}<|im_end|>"
        f"{{% endfor %}}{{% if add_generation_prompt %}}{first}assistant: {{% endif %}}"
    )
    assert leaks(Renderer(tokenizer, PROMPT)) == []


@pytest.mark.reliability(line=14)
def test_there_are_enough_tokenizers() -> None:
    """Four are promised; every family whose template works has one of its own."""
    assert len(EXACT) >= 40


@pytest.mark.reliability(line=14)
@pytest.mark.parametrize("name", EXACT)
def test_no_control_token_comes_out_of_user_text_in_a_family(name: str) -> None:
    """The same for each family's template with a tokenizer of its own added tokens: 0 leaks."""
    assert leaks(renderer_of(name)) == []


def leaks(renderer: Renderer) -> list[tuple[str, str]]:
    """The added tokens that come out as control tokens of a question, a passage or an answer."""
    template = renderer.template

    def control_ids(row: Row) -> tuple[int, ...]:
        return template.control_ids(renderer.view_ids(row, prompted=True))

    expected, names = control_ids(PLAIN), template.tokenizer.get_added_vocab()
    assert expected and names
    leaked = []
    for token in names:
        in_question = PLAIN.model_copy(update={"question": f"a {token}b{token}"})
        in_passage = PLAIN.model_copy(update={"contexts": (Context(text=f"{token} {token}x"),)})
        leaked += [
            (token, "row") for row in (in_question, in_passage) if control_ids(row) != expected
        ]
        in_answer = template.control_ids(renderer.answer_ids(f"say {token}!"))
        leaked += [(token, "answer")] * (in_answer != (template.end_of_turn,))
    return leaked
