"""What a language model is asked: the messages of both stages, and the request around them.

Text of rows and answers enters as fenced data, never as a template. In the order that lets a server
reuse its prefix: role and form of reply, question and passages, answer, and the rule last, or the
rules, where several are asked about at once.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic_core import to_json

from data.rows import Row
from judge.llm.fence import FencedPart, cleaned, parts
from prompts.check_settings import LlmCheck
from prompts.rules import Language, Rule, When

Mode = Literal["json_schema", "structured_outputs", "json_object", "plain"]
Body = dict[str, Any]  # of a request, as it goes over the wire


class JudgeRequest(NamedTuple):
    """A full request: model, messages, sampling, form of the reply."""

    key: str  # SHA-256 of the bytes
    body: Body
    data: bytes  # the body as it is sent


def request_of(body: Body) -> JudgeRequest:
    """The request with its key; serialised once."""
    try:
        data = to_json(body)  # the bytes that `json` makes, in a seventh of its time
    except ValueError:  # half a character, which no UTF-8 can say
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return JudgeRequest(hashlib.sha256(data).hexdigest(), body, data)


VERDICTS = ("pass", "fail", "cannot_judge")
APPLIES = ("yes", "no", "cannot_judge")
PAIR = ("first", "second", "cannot_judge")

TEMPLATES = Path(__file__).resolve().parents[2] / "prompts" / "judge"
_NO_PASSAGES: dict[Language, str] = {"en": "(none)", "ru": "(нет)"}
_ECHO = 1000  # characters of an unreadable reply that are shown to its author again


@dataclass(frozen=True)
class JudgePrompt:
    """What is asked in one call about one row or answer: one thing, or a verdict by each rule."""

    row: str
    template: Literal["applies", "verdict", "pair"]
    about: tuple[Rule, ...]  # a pair is compared as a whole
    parts: tuple[FencedPart, ...]
    language: Language = "en"

    @property
    def options(self) -> tuple[str, ...]:
        """The verdicts to choose from."""
        return {"applies": APPLIES, "verdict": VERDICTS, "pair": PAIR}[self.template]

    @property
    def rule(self) -> str:
        """What the raw reply is filed under: the ids of the rules."""
        return ",".join(rule.id for rule in self.about) or self.template

    def apart(self) -> list["JudgePrompt"]:
        """The question about each rule alone."""
        return [replace(self, about=(rule,)) for rule in self.about]

    def body(
        self, mode: Mode, model: str, max_tokens: int, temperature: float = 0, sample: int = 0
    ) -> Body:
        """The request in an output mode, with so much room for each verdict.

        Each sample has its own seed.
        """
        together = len(self.about) > 1
        demand = _demand(self.language, self.template, self.about)
        data = "\n\n".join((*(part.fenced() for part in self.parts), demand))
        body = {
            "model": model,
            "messages": [
                {"role": "system", "content": _role(self.language, mode, self.options, together)},
                {"role": "user", "content": data},
            ],
            "temperature": temperature,
            "max_tokens": max_tokens * max(1, len(self.about)),
            **form(mode, "verdict", self._schema()),
        }
        if temperature > 0 or sample > 0:  # else left out: some servers know no such key
            body["seed"] = sample
        return body

    def _schema(self) -> dict[str, Any]:
        one = _schema(self.options)
        return one if len(self.about) < 2 else _object({rule.id: one for rule in self.about})


def applies_question(rule: Rule, row: Row, language: Language = "en") -> JudgePrompt:
    """Stage A: is the rule due on this row? Never sees an answer, so all arms share it."""
    if not isinstance(rule.applies, When):
        raise ValueError(f"rule {rule.id}: always due, there is nothing to ask")
    seen = _parts(rule.applies.sees, row, None, language)
    return JudgePrompt(row.id, "applies", (rule,), seen, language)


def verdict_question(rule: Rule, row: Row, answer: str, language: Language = "en") -> JudgePrompt:
    """Stage B: does this answer obey the rule?"""
    return verdicts_question((rule,), row, answer, language)


def verdicts_question(
    rules: Sequence[Rule], row: Row, answer: str, language: Language = "en"
) -> JudgePrompt:
    """Stage B by several rules at once. All of them see the same, so none sees too much."""
    sees = {_seen(rule) for rule in rules}
    if len(sees) != 1:
        raise ValueError(f"rules {', '.join(rule.id for rule in rules)} do not see the same")
    return JudgePrompt(
        row.id, "verdict", tuple(rules), _parts(sees.pop(), row, answer, language), language
    )


def _seen(rule: Rule) -> frozenset[str]:
    if not isinstance(rule.check, LlmCheck):
        raise ValueError(f"rule {rule.id}: code decides it")
    return frozenset(rule.check.sees)


def pair_question(row: Row, first: str, second: str, language: Language = "en") -> JudgePrompt:
    """Which of two answers serves the user better? Asked in both orders to find a flip."""
    answers = {"first": first, "second": second}
    seen = parts({**_texts(row, language), **answers})
    return JudgePrompt(row.id, "pair", (), seen, language)


def _parts(
    sees: Collection[str], row: Row, answer: str | None, language: Language
) -> tuple[FencedPart, ...]:
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
    return _object(
        {
            "evidence": {"type": "array", "items": quote, "maxItems": 2},
            "reasoning": {"type": "string", "maxLength": 240},
            "verdict": {"type": "string", "enum": list(options)},
        }
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object with just these keys, in this order."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
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
def _demand(language: Language, template: str, about: tuple[Rule, ...]) -> str:
    if len(about) > 1:
        return render(language, "verdicts", rules=about)
    return render(language, template, rule=about[0] if about else None)


@lru_cache(maxsize=64)
def _role(language: Language, mode: Mode, options: tuple[str, ...], together: bool) -> str:
    return render(language, "role", mode=mode, options=options, together=together)


def render(language: Language, template: str, **values: object) -> str:
    """A template of prompts/judge/ with these values; an unknown name in it is an error."""
    return _environment().get_template(f"{language}/{template}.j2").render(**values).strip()
