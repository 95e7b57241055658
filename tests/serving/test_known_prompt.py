"""What counts as the prompt at the start of a chat, and what stays behind it."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.known_prompt import KnownPrompt, PromptTokens

SYSTEM = "You are the Lakeside desk.\n\n- Answer in English.\n- Café hours: 9–17."
EXAMPLES = [
    {"role": "user", "content": "Content 1: Room 2.\nWhere?"},
    {"role": "assistant", "content": "Lakeside desk: in room 2."},
]
TOKENS = PromptTokens(system=40, whole=70)
QUESTION = {"role": "user", "content": "When  does it\nopen?"}


def prompt(role: Any = "system", examples: Any = EXAMPLES) -> KnownPrompt:
    return KnownPrompt(SYSTEM, examples, role, TOKENS)


def system_turn(content: Any = SYSTEM, role: str = "system") -> dict[str, Any]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    "turn",
    [
        system_turn(),
        system_turn(role="developer"),
        system_turn(f"\n{SYSTEM}\n\n"),
        system_turn(" ".join(SYSTEM.split())),
        system_turn(SYSTEM.replace("\n", "\r\n")),
        system_turn(unicodedata.normalize("NFD", SYSTEM)),
        system_turn([{"type": "text", "text": SYSTEM}]),
        system_turn([{"type": "text", "text": SYSTEM[:9]}, {"type": "text", "text": SYSTEM[9:]}]),
    ],
)
def test_the_same_prompt_in_other_forms_is_left_out(turn: dict[str, Any]) -> None:
    """The question stays as it is, to its white space."""
    with_examples = prompt().leave_out([turn, *EXAMPLES, QUESTION])
    assert with_examples is not None
    assert with_examples == ([QUESTION], TOKENS.whole)
    alone = prompt().leave_out([turn, QUESTION])
    assert alone == ([QUESTION], TOKENS.system)


@pytest.mark.parametrize(
    "chat",
    [
        [],
        [QUESTION],
        [system_turn()],  # a request without a question is the server's to refuse
        [system_turn(SYSTEM + " And more."), QUESTION],
        [system_turn(SYSTEM.replace("English", "French")), QUESTION],
        [system_turn(SYSTEM.casefold()), QUESTION],
        [system_turn(None), QUESTION],
        [system_turn([{"type": "image_url", "image_url": {"url": "x"}}]), QUESTION],
        [{"role": "user", "content": SYSTEM}, QUESTION],
        ["not a message", 3],
    ],
)
def test_anything_else_stays(chat: list[Any]) -> None:
    assert prompt().leave_out(chat) is None


def test_changed_examples_stay_behind_the_left_out_prompt() -> None:
    """As in the chat template that the best student is served with."""
    changed = [EXAMPLES[0], {**EXAMPLES[1], "content": "Room 3."}]
    shorter = prompt().leave_out([system_turn(), *changed, QUESTION])
    assert shorter == ([*changed, QUESTION], TOKENS.system)


def test_examples_are_never_the_question() -> None:
    """A client that asks an example's own question gets an answer to it."""
    shorter = prompt().leave_out([system_turn(), EXAMPLES[0]])
    assert shorter == ([EXAMPLES[0]], TOKENS.system)


@given(question=st.text(min_size=1).filter(str.strip), gap=st.sampled_from(["\n\n", " ", "\n \t"]))
def test_a_prompt_in_the_first_user_turn(question: str, gap: str) -> None:
    """What follows the white space behind it is the question, letter by letter."""
    first = {"role": "user", "content": f"{SYSTEM}{gap}{question}"}
    shorter = prompt("first_user", ()).leave_out([first])
    assert shorter is not None
    assert shorter.messages == [{"role": "user", "content": question.lstrip()}]
    glued = {"role": "user", "content": SYSTEM + "x"}
    assert prompt("first_user", ()).leave_out([glued]) is None


@pytest.mark.parametrize("role", ["system", "first_user"])
@pytest.mark.parametrize("examples", [EXAMPLES, ()])
def test_what_is_put_in_is_left_out_again(role: str, examples: Any) -> None:
    """With a chat of several turns, and with a content of parts."""
    chat = [QUESTION, {"role": "assistant", "content": "At 9."}, {**QUESTION, "content": "Why?"}]
    known = prompt(role, examples)
    assert known.leave_out(known.put_in(chat)) == (chat, TOKENS.whole)
    parts = [{"role": "user", "content": [{"type": "text", "text": "When?"}]}]
    assert prompt("first_user", ()).put_in(parts)[0]["content"][1] == parts[0]["content"][0]
