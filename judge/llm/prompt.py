"""The judge's prompts: does a rule apply, does an answer obey it, which of two answers is better.

Texts of rows and answers enter as fenced data, never as templates. The order lets a server reuse
its prefix cache: role and output format, question and passages, answer, and the rules last.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from data.rows import Row
from judge.llm.fence import FencedPart, cleaned, fenced_parts
from judge.llm.request import (
    Body,
    JudgeRequest,
    Mode,
    RequestSettings,
    ask_for_tokens,
    build_request,
    object_schema,
    response_format,
)
from judge.llm.templates import render
from prompts.check_settings import LlmCheck
from prompts.rules import Language, Rule, When

VERDICTS = ("pass", "fail", "cannot_judge")
APPLIES = ("yes", "no", "cannot_judge")
PAIR = ("first", "second", "cannot_judge")

_NO_PASSAGES: dict[Language, str] = {"en": "(none)", "ru": "(нет)"}
_QUOTED_REPLY = 1000  # characters of an invalid reply that the re-ask shows to its author


@dataclass(frozen=True)
class JudgePrompt:
    """The question of one call about a row or an answer: by one rule, or by several at once."""

    row: str
    template: Literal["applies", "verdict", "pair"]
    rules: tuple[Rule, ...]  # none for a pair: it is compared as a whole
    parts: tuple[FencedPart, ...]
    language: Language = "en"

    @property
    def options(self) -> tuple[str, ...]:
        """The verdicts to choose from."""
        return {"applies": APPLIES, "verdict": VERDICTS, "pair": PAIR}[self.template]

    def request(self, settings: RequestSettings) -> JudgeRequest:
        """The request that puts this prompt."""
        rule = ",".join(rule.id for rule in self.rules) or self.template
        mode, model, max_tokens, temperature, sample, fields, tokens = settings
        body = self.body(mode, model, max_tokens, temperature, sample)
        if tokens and self.template == "verdict":
            body = ask_for_tokens(body)
        return build_request(body, fields)._replace(
            stage=self.template, rule=rule, row=self.row, mode=mode
        )

    def body(
        self, mode: Mode, model: str, max_tokens: int, temperature: float = 0, sample: int = 0
    ) -> Body:
        """The request's body. `max_tokens` is per rule; `sample` is the seed."""
        several = len(self.rules) > 1
        demand = _demand(self.language, self.template, self.rules)
        schema = _verdict_schema(self.options)
        if several:
            schema = object_schema({rule.id: schema for rule in self.rules})
        data = "\n\n".join((*(part.fenced() for part in self.parts), demand))
        body = {
            "model": model,
            "messages": [
                {"role": "system", "content": _role(self.language, mode, self.options, several)},
                {"role": "user", "content": data},
            ],
            "temperature": temperature,
            "max_tokens": max_tokens * max(1, len(self.rules)),
            **response_format(mode, "verdict", schema),
        }
        if temperature > 0 or sample > 0:  # otherwise omitted: some servers reject the key
            body["seed"] = sample
        return body


def applies_prompt(rule: Rule, row: Row, language: Language = "en") -> JudgePrompt:
    """Does the rule apply to this row? Shows no answer, so all arms share the reply."""
    if not isinstance(rule.applies, When):
        raise ValueError(f"rule {rule.id}: applies always, there is nothing to ask")
    parts = _parts(rule.applies.sees, row, None, language)
    return JudgePrompt(row.id, "applies", (rule,), parts, language)


def verdict_prompt(rule: Rule, row: Row, answer: str, language: Language = "en") -> JudgePrompt:
    """Does this answer obey the rule?"""
    return verdicts_prompt((rule,), row, answer, language)


def verdicts_prompt(
    rules: Sequence[Rule], row: Row, answer: str, language: Language = "en"
) -> JudgePrompt:
    """Does this answer obey each of these rules? All of them must see the same texts."""
    views = {frozenset(rule.check.sees) for rule in rules if isinstance(rule.check, LlmCheck)}
    if len(views) != 1:
        raise ValueError(f"rules {', '.join(rule.id for rule in rules)} do not see the same")
    parts = _parts(views.pop(), row, answer, language)
    return JudgePrompt(row.id, "verdict", tuple(rules), parts, language)


def pair_prompt(row: Row, first: str, second: str, language: Language = "en") -> JudgePrompt:
    """Which of two answers serves the user better? Ask in both orders to detect a position bias."""
    texts = {**_row_texts(row, language), "first": first, "second": second}
    return JudgePrompt(row.id, "pair", (), fenced_parts(texts), language)


def reask_body(body: Body, language: Language, reply: str, problem: str, message: str) -> Body:
    """The request again, with the invalid reply and the reason why it is invalid."""
    quoted = cleaned(reply)[:_QUOTED_REPLY] or "(…)"
    demand = render(language, "again", problem=problem, message=message)
    turns = [{"role": "assistant", "content": quoted}, {"role": "user", "content": demand}]
    return {**body, "messages": [*body["messages"], *turns]}


def _parts(
    sees: Collection[str], row: Row, answer: str | None, language: Language
) -> tuple[FencedPart, ...]:
    texts = _row_texts(row, language)
    if answer is not None:
        texts["answer"] = answer
    return fenced_parts({name: text for name, text in texts.items() if name in sees})


def _row_texts(row: Row, language: Language) -> dict[str, str]:
    passages = "\n\n".join(passage.text for passage in row.contexts)
    return {"question": row.question, "contexts": passages or _NO_PASSAGES[language]}


def _verdict_schema(options: tuple[str, ...]) -> dict[str, Any]:
    """Evidence, reasoning, verdict: a verdict that came first would only be defended."""
    quote = {"type": "string", "maxLength": 160}
    return object_schema(
        {
            "evidence": {"type": "array", "items": quote, "maxItems": 2},
            "reasoning": {"type": "string", "maxLength": 240},
            "verdict": {"type": "string", "enum": list(options)},
        }
    )


@lru_cache(maxsize=1024)
def _demand(language: Language, template: str, rules: tuple[Rule, ...]) -> str:
    if len(rules) > 1:
        return render(language, "verdicts", rules=rules)
    return render(language, template, rule=rules[0] if rules else None)


@lru_cache(maxsize=64)
def _role(language: Language, mode: Mode, options: tuple[str, ...], several: bool) -> str:
    return render(language, "role", mode=mode, options=options, together=several)
