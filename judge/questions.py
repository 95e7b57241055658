"""What a language model is asked: the messages of both stages, and the request around them.

Text of rows and answers enters as fenced data, never as a template. In the order that lets a server
reuse its prefix: role and form of reply, question and passages, answer, and the rule last.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic_core import to_json

from data.rows import Row
from judge.fence import Part, cleaned, parts
from prompts.rules import Judged, Language, Rule, When

Mode = Literal["json_schema", "structured_outputs", "json_object", "plain"]
Body = dict[str, Any]  # of a request, as it goes over the wire


class Request(NamedTuple):
    """A full request: model, messages, sampling, form of the reply."""

    key: str  # SHA-256 of the bytes
    body: Body
    data: bytes  # the body as it is sent


def request_of(body: Body) -> Request:
    """The request with its key; serialised once."""
    try:
        data = to_json(body)  # the bytes that `json` makes, in a seventh of its time
    except ValueError:  # half a character, which no UTF-8 can say
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return Request(hashlib.sha256(data).hexdigest(), body, data)


VERDICTS = ("pass", "fail", "cannot_judge")
APPLIES = ("yes", "no", "cannot_judge")
PAIR = ("first", "second", "cannot_judge")

TEMPLATES = Path(__file__).resolve().parent.parent / "prompts" / "judge"
_NO_PASSAGES: dict[Language, str] = {"en": "(none)", "ru": "(нет)"}
_ECHO = 1000  # characters of an unreadable reply that are shown to its author again


@dataclass(frozen=True)
class Question:
    """One thing to be decided about one row or answer."""

    rule: str
    row: str
    template: Literal["applies", "verdict", "pair"]
    about: Rule | None  # a pair is compared as a whole
    parts: tuple[Part, ...]
    language: Language = "en"

    @property
    def options(self) -> tuple[str, ...]:
        """The verdicts to choose from."""
        return {"applies": APPLIES, "verdict": VERDICTS, "pair": PAIR}[self.template]

    def body(
        self, mode: Mode, model: str, max_tokens: int, temperature: float = 0, sample: int = 0
    ) -> Body:
        """The request in an output mode. Each sample has its own seed."""
        demand = _demand(self.language, self.template, self.about)
        data = "\n\n".join((*(part.fenced() for part in self.parts), demand))
        body = {
            "model": model,
            "messages": [
                {"role": "system", "content": _role(self.language, mode, self.options)},
                {"role": "user", "content": data},
            ],
            "temperature": temperature,
            "max_tokens": max_tokens,
            **form(mode, "verdict", _schema(self.options)),
        }
        if temperature > 0 or sample > 0:  # else left out: some servers know no such key
            body["seed"] = sample
        return body


def applies_question(rule: Rule, row: Row, language: Language = "en") -> Question:
    """Stage A: is the rule due on this row? Never sees an answer, so all arms share it."""
    if not isinstance(rule.applies, When):
        raise ValueError(f"rule {rule.id}: always due, there is nothing to ask")
    seen = _parts(rule.applies.sees, row, None, language)
    return Question(rule.id, row.id, "applies", rule, seen, language)


def verdict_question(rule: Rule, row: Row, answer: str, language: Language = "en") -> Question:
    """Stage B: does this answer obey the rule?"""
    if not isinstance(rule.check, Judged):
        raise ValueError(f"rule {rule.id}: code decides it")
    seen = _parts(rule.check.sees, row, answer, language)
    return Question(rule.id, row.id, "verdict", rule, seen, language)


def pair_question(row: Row, first: str, second: str, language: Language = "en") -> Question:
    """Which of two answers serves the user better? Asked in both orders to find a flip."""
    answers = {"first": first, "second": second}
    seen = parts({**_texts(row, language), **answers})
    return Question("pair", row.id, "pair", None, seen, language)


def _parts(
    sees: tuple[str, ...], row: Row, answer: str | None, language: Language
) -> tuple[Part, ...]:
    texts = _texts(row, language)
    if answer is not None:
        texts["answer"] = answer
    return parts({name: text for name, text in texts.items() if name in sees})


def _texts(row: Row, language: Language) -> dict[str, str]:
    passages = "\n\n".join(passage.text for passage in row.contexts)
    return {"question": row.question, "contexts": passages or _NO_PASSAGES[language]}


def asked_again(body: Body, language: Language, reply: str, problem: str, message: str) -> Body:
    """The request that shows a reply to its author with what is wrong with it."""
    said = cleaned(reply)[:_ECHO] or "(…)"
    again = render(language, "again", problem=problem, message=message)
    turns = [{"role": "assistant", "content": said}, {"role": "user", "content": again}]
    return {**body, "messages": [*body["messages"], *turns]}


def with_more_room(body: Body) -> Body:
    """The same request with twice the tokens for the reply."""
    return {**body, "max_tokens": 2 * body["max_tokens"]}


def form(mode: Mode, name: str, schema: dict[str, Any]) -> Body:
    """What a request says of the form of its reply: JSON by this schema, as far as `mode` can."""
    if mode == "plain":
        return {}
    if mode == "json_object":
        return {"response_format": {"type": "json_object"}}
    if mode == "structured_outputs":
        return {"structured_outputs": {"json": schema}}
    named = {"name": name, "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _schema(options: tuple[str, ...]) -> dict[str, Any]:
    """Evidence, reasoning, verdict: a verdict that comes first is only defended afterwards."""
    quote = {"type": "string", "maxLength": 160}
    return {
        "type": "object",
        "properties": {
            "evidence": {"type": "array", "items": quote, "maxItems": 2},
            "reasoning": {"type": "string", "maxLength": 240},
            "verdict": {"type": "string", "enum": list(options)},
        },
        "required": ["evidence", "reasoning", "verdict"],
        "additionalProperties": False,
    }


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        autoescape=False,  # plain text for a model; the report escapes what it shows
    )


@lru_cache(maxsize=1024)
def _demand(language: Language, template: str, rule: Rule | None) -> str:
    return render(language, template, rule=rule)


@lru_cache(maxsize=64)
def _role(language: Language, mode: Mode, options: tuple[str, ...]) -> str:
    return render(language, "role", mode=mode, options=options)


def render(language: Language, template: str, **values: object) -> str:
    """A template of prompts/judge/ with these values; an unknown name in it is an error."""
    return _environment().get_template(f"{language}/{template}.j2").render(**values).strip()
