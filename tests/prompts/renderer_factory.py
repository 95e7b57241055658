"""Renderers with four chat templates: SmolLM2's own and three others on a copy of its tokenizer."""

import copy

from data.rows import Context, Row
from engine.models import load_tokenizer, resolve_model
from prompts.prompt_file import Prompt, WorkedExample
from prompts.renderer import Renderer

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


def make_renderer(kind: str) -> Renderer:
    """SmolLM2's own template, or one of three others on a copy of its tokenizer."""
    tokenizer = copy.deepcopy(load_tokenizer(resolve_model("embedded")))
    if kind == "smollm2":
        return Renderer(tokenizer, PROMPT)
    tokenizer.chat_template = {"plain": PLAIN, "injects": INJECTS, "thinks": THINKS}[kind]
    if kind == "thinks":
        tokenizer.add_tokens(["<think>", "</think>"])
    return Renderer(tokenizer, PROMPT, {"enable_thinking": False} if kind == "thinks" else {})


KINDS = ("smollm2", "plain", "injects", "thinks")
