"""Templates that would lose the prompt, a question or an answer are refused in one line."""

from typing import Any

import pytest

from config.errors import UnpromptedError
from prompts.renderer import Renderer
from tests.prompts.renderer_factory import PLAIN, PROMPT, ROW
from tests.prompts.template_families import Family, family_tokenizer

ASKS = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
TURN = "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
NO_SYSTEM = f"{{% for m in messages %}}{{% if m['role'] != 'system' %}}{TURN}{{% endif %}}"
REFUSED = {
    "drops the system turn": (
        f"{NO_SYSTEM}{{% endfor %}}{ASKS}",
        "writes the system prompt 0 times; set model.system_role: first_user",
    ),
    "refuses the system turn": (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turns here') }}"
        "{% endif %}" + PLAIN,
        "no system turns here; set model.system_role: first_user",
    ),
    "adds a string and a number": (
        "{% if messages[0]['role'] == 'system' %}{{ 'x' + 1 }}{% endif %}" + PLAIN,
        "its chat template fails: .*; set model.system_role: first_user",
    ),
    "writes the system prompt into every turn": (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'user' and "
        "messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% endif %}"
        f"{{{{ m['content'] }}}}<|im_end|>\n{{% endfor %}}{ASKS}",
        "writes the system prompt 4 times",
    ),
    "keeps only the last two turns": (
        f"{{% for m in messages[-2:] %}}{TURN}{{% endfor %}}{ASKS}",
        "writes .* 0 times",
    ),
    "drops earlier answers": (
        "{% for m in messages %}{% if m['role'] != 'assistant' or loop.last %}"
        f"{TURN}{{% endif %}}{{% endfor %}}{ASKS}",
        "writes an earlier answer 0 times; use another model",
    ),
    "writes questions in lower case": (
        PLAIN.replace(
            "m['content']", "m['content'] | lower if m['role'] == 'user' else m['content']"
        ),
        r"changes a user turn \('Content 1: Open at 9.",
    ),
    "newest turn first": (
        PLAIN.replace(
            "in messages", "in (messages | reverse if messages | length > 2 else messages)"
        ),
        "reorders turns",
    ),
    "has the system prompt in it": (
        PLAIN.replace(
            "{% for",
            "{% if messages[0]['role'] != 'system' %}Be brief. Say Lakeside.{% endif %}{% for",
            1,
        ),
        "writes the system prompt without being sent it",
    ),
    "asks in another way behind a prompt": (
        PLAIN.replace(
            "assistant\n{% endif %}",
            "assistant\n{% if messages[0]['role'] == 'system' %}Sure: {% endif %}{% endif %}",
        ),
        "asks for an answer with .* behind the system prompt and with .* without it",
    ),
    "ends an answer with nothing": (
        PLAIN.replace("<|im_end|>\n", "\n\n").replace("<|im_start|>", "##"),
        "ends an answer with no special token",
    ),
    "asks in another way than it writes an answer": (
        PLAIN.replace("assistant\n{% endif %}", "assistant\nfinal: {% endif %}"),
        "in front of an answer, but asks for one with",
    ),
    "is no template": ("{% for m in messages %}", "its chat template fails"),
}
# A system turn is not needed, or the template writes it in a way of its own
ACCEPTED = {
    "content as parts": PLAIN.replace(
        "{{ m['content'] }}",
        "{% for p in m['content'] %}{% if p['type'] == 'text' %}{{ p['text'] }}{% endif %}"
        "{% endfor %}",
    ),
    "trims": PLAIN.replace("m['content']", "m['content'] | trim"),
    "blank in front of an answer": PLAIN.replace(
        "{{ m['role'] }}\n", "{{ m['role'] }}\n{% if m['role'] == 'assistant' %} {% endif %}"
    ).replace("assistant\n{% endif %}", "assistant\n{% endif %}"),
}


def renderer(template: str, **options: Any) -> Renderer:
    """Over a small tokenizer."""
    tokenizer = family_tokenizer(Family(template, ("<|im_start|>", "<|im_end|>"), "<|im_end|>"))
    return Renderer(tokenizer, PROMPT, **options)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_template_that_loses_something_is_refused(kind: str) -> None:
    """One line with the model, what its template does, and the way out."""
    template, line = REFUSED[kind]
    with pytest.raises(UnpromptedError, match=line) as error:
        renderer(template)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("model ")


@pytest.mark.parametrize("kind", ["drops the system turn", "refuses the system turn"])
def test_the_prompt_in_the_first_user_turn(kind: str) -> None:
    """The way out of the refusal: for the prompted view alone, and in messages to servers too."""
    views = renderer(REFUSED[kind][0], system_role="first_user")
    first, *others = views.messages(ROW, prompted=True)
    assert first["role"] == "user"
    assert first["content"].startswith(f"{PROMPT.system}\n\n")
    assert not any(PROMPT.system in turn["content"] for turn in others)
    prompted, unprompted = (
        views.tokenizer.decode(views.view_ids(ROW, view)) for view in (True, False)
    )
    assert prompted.count(PROMPT.system) == 1
    assert PROMPT.system not in unprompted
    assert unprompted == views.tokenizer.decode(renderer(PLAIN).view_ids(ROW, False))


@pytest.mark.parametrize("kind", ACCEPTED)
def test_a_template_that_only_writes_otherwise_is_exact(kind: str) -> None:
    """Question, passages, example and answer are in both views as text, once."""
    views = renderer(ACCEPTED[kind])
    prompted, unprompted = (
        views.tokenizer.decode(views.view_ids(ROW, view)) for view in (True, False)
    )
    assert prompted.count(PROMPT.system) == 1
    for text in (prompted, unprompted):
        assert text.count("Q: When?") == text.count("Content 1: one\n") == 1
    assert prompted.count("At 9.") == 1
    answer = views.tokenizer.decode(views.answer_ids("In room 2."))
    assert answer.lstrip() == "In room 2.<|im_end|>"
