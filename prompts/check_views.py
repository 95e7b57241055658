"""Checks, before anything is asked, that a template writes both views of a row as they are meant.

Templates drop, repeat or change turns. What a student learns without its prompt must have been
answered with it, and with nothing else left out.
"""

from collections.abc import Sequence

from config.errors import SetupError
from prompts.chat_rendering import ChatRendering, Message, TemplateRefusal

_NAMES = {"system": "the system prompt", "user": "a user turn", "assistant": "an earlier answer"}
_FIRST_USER = "; set model.system_role: first_user to send the prompt in the first user turn"
_OTHER_MODEL = "; use another model"


def check_views(
    rendering: ChatRendering, prompted: Sequence[Message], unprompted: Sequence[Message]
) -> None:
    """Checks the chats of one row with an earlier turn and every worked example.

    Raises SetupError unless each turn of a chat is there exactly once and in order, the system
    prompt is in the prompted view alone, and both views ask for the answer in the same way.
    """
    ends = [_check_turns(rendering, chat) for chat in (prompted, unprompted)]
    if ends[0] != ends[1]:
        raise SetupError(
            f"{rendering.model}: its chat template asks for an answer with {ends[0]!r} behind the "
            f"system prompt and with {ends[1]!r} without it{_OTHER_MODEL}"
        )
    text = _blanks_aside(rendering.text(prompted))
    for turn in prompted:
        if _blanks_aside(turn["content"]) not in text:
            raise SetupError(
                f"{rendering.model}: its chat template changes {_NAMES[turn['role']]} "
                f"({turn['content'][:40]!r}){_OTHER_MODEL}"
            )
    if _blanks_aside(prompted[0]["content"]) in _blanks_aside(rendering.text(unprompted)):
        raise SetupError(
            f"{rendering.model}: its chat template writes the system prompt without being sent it"
            f"{_OTHER_MODEL}"
        )


def _check_turns(rendering: ChatRendering, chat: Sequence[Message]) -> str:
    """Renders the chat with a unique word for each turn; returns what follows the last one."""
    words = [f"turn{number}of{len(chat)}" for number in range(len(chat))]
    marked = [{**turn, "content": word} for turn, word in zip(chat, words, strict=True)]
    starts_with_system = chat[0]["role"] == "system"
    try:
        text = rendering.text(marked)
    except TemplateRefusal as error:
        raise SetupError(f"{error}{_FIRST_USER if starts_with_system else _OTHER_MODEL}") from None
    for turn, word in zip(chat, words, strict=True):
        if (count := text.count(word)) != 1:
            raise SetupError(
                f"{rendering.model}: its chat template writes {_NAMES[turn['role']]} {count} times"
                f"{_FIRST_USER if turn['role'] == 'system' else _OTHER_MODEL}"
            )
    places = [text.index(word) for word in words[starts_with_system:]]
    if places != sorted(places):
        raise SetupError(f"{rendering.model}: its chat template reorders turns{_OTHER_MODEL}")
    return text[places[-1] + len(words[-1]) :]


def _blanks_aside(text: str) -> str:
    return " ".join(text.split())
