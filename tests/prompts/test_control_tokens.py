"""User text cannot inject control tokens, in the tokenizers of four model families."""

import copy

import pytest

from data.rows import Context, Row
from engine.models import load_tokenizer, resolve_model
from prompts.prompt_file import Prompt
from prompts.renderer import Renderer

PROMPT = Prompt(system="Be brief.", user_template="{summaries}\nQ: {question}")


FAMILIES = {
    "llama": ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>"],
    "gemma": ["<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<unused0>"],
    "mistral": ["[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[TOOL_CALLS]", "</s>"],
    "deepseek": ["<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<think>", "</think>"],
}


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
    renderer = Renderer(tokenizer, PROMPT)
    plain = Row(id="r", question="When?", contexts=(Context(text="At nine."),))

    def control_ids(row: Row) -> tuple[int, ...]:
        return renderer.template.control_ids(renderer.view_ids(row, prompted=True))

    expected = control_ids(plain)
    assert len(expected) >= 3
    leaks = []
    for token in tokenizer.get_added_vocab():
        in_question = plain.model_copy(update={"question": f"a {token}b{token}"})
        in_passage = plain.model_copy(update={"contexts": (Context(text=f"{token} {token}x"),)})
        leaks += [token for row in (in_question, in_passage) if control_ids(row) != expected]
        answer_ids = renderer.answer_ids(f"say {token}!")
        if len(renderer.template.control_ids(answer_ids)) != 1:  # the end of the turn
            leaks.append(token)
    assert leaks == []
