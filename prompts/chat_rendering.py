"""A chat as the text of a chat template: arguments, the date, content as text or as parts."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from config.errors import SetupError

Message = dict[str, str]  # role and content, as chat templates take them

_FAILURES = TemplateError, TypeError, ValueError, LookupError, AttributeError
_WORD = "unprompted"
_SAMPLES: tuple[tuple[Message, ...], ...] = (
    ({"role": "user", "content": _WORD},),
    ({"role": "system", "content": "Be brief."}, {"role": "user", "content": _WORD}),
)


class TemplateRefusal(SetupError):
    """The template raises an error on a chat."""


class ChatRendering:
    """One tokenizer's chat template with fixed arguments, on a fixed date."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, kwargs: Mapping[str, Any], today: date
    ) -> None:
        """Raises SetupError when the tokenizer has no chat template, or none by default."""
        if not tokenizer.chat_template:
            raise SetupError(
                f"model {tokenizer.name_or_path!r} has no chat template; "
                "use its instruction-tuned version"
            )
        self.tokenizer = tokenizer
        self.model = f"model {tokenizer.name_or_path!r}"  # subject of errors
        self.source = _source(tokenizer, kwargs)
        self.kwargs = dict(kwargs)
        self.today = today
        self._date_format: str | None = None  # the last one with which the template asked
        self._as_parts = False
        self._as_parts = self._drops_text()

    def text(self, messages: Sequence[Message], generation: bool = True) -> str:
        """The template's text; with `generation` up to where the answer starts.

        Raises TemplateRefusal.
        """
        chat = [self._with_parts(message) for message in messages] if self._as_parts else messages
        try:
            text: str = self.tokenizer.apply_chat_template(
                list(chat),
                add_generation_prompt=generation,
                tokenize=False,
                **{"strftime_now": self._format_today, **self.kwargs},
            )
        except _FAILURES as error:
            line = " ".join(str(error).split())[:150]
            raise TemplateRefusal(f"{self.model}: its chat template fails: {line}") from None
        return text

    def samples(self) -> list[str]:
        """The texts of a chat without and with a system turn, where the template takes one."""
        texts = []
        for chat in _SAMPLES:
            try:
                texts.append(self.text(chat))
            except TemplateRefusal:
                continue
        return texts

    def with_kwargs(self, **kwargs: Any) -> "ChatRendering":
        """The same template with further arguments."""
        return ChatRendering(self.tokenizer, {**self.kwargs, **kwargs}, self.today)

    @property
    def writes_date(self) -> bool:
        """Whether the text depends on the day."""
        another_day = self.today - timedelta(days=400)  # in another month and year too
        other = ChatRendering(self.tokenizer, self.kwargs, another_day)
        return self.samples() != other.samples()

    def pin_date(self) -> None:
        """Passes the date as the argument `date_string`, so that servers render the same text.

        Without effect where the template does not take it.
        """
        if "date_string" not in self.source or not self.writes_date or not self._date_format:
            return
        pinned = self.with_kwargs(date_string=self._format_today(self._date_format))
        if pinned.samples() == self.samples():
            self.kwargs = pinned.kwargs

    def _format_today(self, form: str) -> str:
        self._date_format = form
        return self.today.strftime(form)

    def _drops_text(self) -> bool:
        """Whether the template ignores a content that is no list of parts."""
        texts = self.samples()
        return bool(texts) and not any(_WORD in text for text in texts)

    @staticmethod
    def _with_parts(message: Message) -> dict[str, Any]:
        return {**message, "content": [{"type": "text", "text": message["content"]}]}


def _source(tokenizer: PreTrainedTokenizerBase, kwargs: Mapping[str, Any]) -> str:
    """The template that transformers renders with: of several the named one, else the default."""
    name = kwargs.get("chat_template")
    templates = tokenizer.chat_template
    is_several = isinstance(templates, dict)
    is_named = isinstance(name, str) and is_several and name in templates
    is_whole = isinstance(name, str) and "{" in name  # a template instead of a name
    if is_named or is_whole or (name is None and (not is_several or "default" in templates)):
        return str(tokenizer.get_chat_template(name, tools=kwargs.get("tools")))
    model = f"model {tokenizer.name_or_path!r}"
    names = ", ".join(sorted(templates)) if is_several else ""
    if name is None:
        raise SetupError(
            f"{model} has several chat templates and no default: {names}; name one in "
            "model.template_kwargs.chat_template"
        )
    raise SetupError(
        f"model.template_kwargs.chat_template = {name}: {model} has no chat template of this name; "
        + (f"name one of {names}" if names else "remove it: it has one template, without a name")
    )
