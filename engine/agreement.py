"""Whether two models speak in the same tokens, so that one can learn the other's by their ids."""

from collections.abc import Mapping

from config.errors import ConfigError
from engine.models import load_tokenizer
from prompts.chat_encoder import Message

_WORDS = "Is it 12.50 €, or 1 000?\n\n\tДа — «ещё» раз: naïve, 你好, 🙂 …  <b>x</b>"
_TURNS: tuple[Message, ...] = (
    {"role": "system", "content": f"Answer briefly. {_WORDS}"},
    {"role": "user", "content": _WORDS},
    {"role": "assistant", "content": f"{_WORDS} It is."},
    {"role": "user", "content": "And now?"},
)


def check_same_tokens(base: str, teacher: str, template_kwargs: Mapping[str, bool | str]) -> None:
    """Compares vocabularies, and the token ids of a probing chat with and without system prompt.

    `base` and `teacher` as `resolve_model` gives them. Raises ConfigError where they differ.
    """
    ours, theirs = load_tokenizer(base), load_tokenizer(teacher)
    what = "" if ours.get_vocab() == theirs.get_vocab() else "vocabulary"
    for turns in (_TURNS, _TURNS[1:]):
        for open_ended in (True, False):
            rendered = [
                tokenizer.apply_chat_template(
                    list(turns),
                    add_generation_prompt=open_ended,
                    tokenize=True,
                    return_dict=False,
                    **template_kwargs,
                )
                if tokenizer.chat_template
                else None
                for tokenizer in (ours, theirs)
            ]
            if rendered[0] != rendered[1]:
                what = what or "chat template"
    if what:
        raise ConfigError(
            f"teacher.model = {teacher}: its {what} is not that of model.name = {base}; take a "
            "larger model of the same family, or serve it and set teacher.engine: {kind: openai}"
        )
