"""Parses a model's reply: JSON by the schema, or in plain text its last verdict line.

Knows replies about one rule and about several; leaves re-asking to `judge.llm.reask`.
"""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from data.records import Record
from judge.checks.text import fold
from judge.llm.request import Mode
from prompts.reasoning import cut_reasoning
from wire.completion import Reply

_CODE_BLOCK = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL | re.IGNORECASE)
_FORM = re.compile(r"\s*(?:\{|[*_#>-]*(?:EVIDENCE|REASONING|VERDICT)\b)", re.IGNORECASE)
_NO_QUOTE = ("", "none", "(none)", "n/a", "нет", "(нет)")
_ELLIPSIS = re.compile(r"\.\.\.|…|\[…\]")


class Unreadable(Exception):
    """The reply does not have the requested format.

    The message tells the model why, in our own words: a quote of the data in it would return to
    the model as an instruction.
    """


class ParsedReply(Record):
    """The fields of a reply about one rule."""

    evidence: list[str]
    reasoning: str
    verdict: str


def answer_text(reply: Reply, mode: Mode) -> str:
    """The text of a reply. A server that takes the whole reply of a model that did not think for
    its reasoning files the object there, and nothing else.
    """
    is_misfiled = not reply.text.strip() and reply.reasoning.lstrip().startswith("{")
    return reply.reasoning if is_misfiled and mode != "plain" else reply.text


def read_reply(text: str, mode: Mode, options: Sequence[str]) -> ParsedReply:
    """Parses a reply about one rule. Raises Unreadable."""
    if mode == "plain":
        reply = _read_plain(_without_reasoning(text))
    else:
        reply = _read_value(read_object(text))
    return _with_option(reply, options)


def read_by_rule(
    text: str, mode: Mode, options: Sequence[str], rules: Sequence[str]
) -> dict[str, ParsedReply]:
    """Parses a reply about several rules, by rule id. Unreadable and unknown ones are left out."""
    replies = {}
    with suppress(Unreadable):
        values = {} if mode == "plain" else read_object(text)
        for rule in rules:
            with suppress(Unreadable):
                if mode == "plain":
                    reply = _read_plain(_without_reasoning(text), rule)
                else:
                    reply = _read_value(values.get(rule))
                replies[rule] = _with_option(reply, options)
    return replies


def imitates_verdict(rule: str, sources: Sequence[str]) -> bool:
    """Whether the data contain a verdict line of a rule, anywhere in a line.

    A plain-text reply that quotes it could not be told from the judge's own verdict.
    """
    line = re.compile(rf"VERDICT\W*{rule}\b", re.IGNORECASE)
    return any(line.search(text) for text in sources)


def read_object(reply: str) -> dict[str, Any]:
    """The one JSON object that a reply consists of. Raises Unreadable."""
    text = _without_reasoning(reply).strip()
    block = _CODE_BLOCK.fullmatch(text)
    try:
        value = _DECODER.decode(block.group(1) if block else text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not one JSON object: {error}"[:200]) from None
    if not isinstance(value, dict):
        raise Unreadable(f"expected a JSON object, found {type(value).__name__}")
    return value


def first_unfounded(evidence: Sequence[str], sources: Sequence[str]) -> int | None:
    """The number, from 1, of the first quote that does not occur in the sources; None: all occur.

    Compared folded; a quote with an ellipsis must occur piece by piece.
    """
    if not evidence:
        return None
    source_text = " ".join(map(_folded, sources))
    for number, quote in enumerate(evidence, 1):
        pieces = [fold(piece).strip(' ".,;:') for piece in _ELLIPSIS.split(quote)]
        if any(piece not in source_text for piece in pieces):
            return number
    return None


_folded = lru_cache(maxsize=1024)(fold)  # a row's texts recur with every rule


def _without_reasoning(text: str) -> str:
    """The reply alone. Raises Unreadable when it cannot be told from the reasoning."""
    if _FORM.match(text):  # the usual reply: nothing is in front of it, and data may name tags
        return text
    answer = cut_reasoning(text)
    if not answer.separable:
        raise Unreadable("it holds reasoning without a clear end")
    return answer.text


def _with_option(reply: ParsedReply, options: Sequence[str]) -> ParsedReply:
    verdict = reply.verdict.strip().casefold()
    if verdict not in options:
        raise Unreadable(f"the verdict is none of {', '.join(options)}")
    return reply if verdict == reply.verdict else reply.model_copy(update={"verdict": verdict})


def _read_value(value: object) -> ParsedReply:
    try:
        return ParsedReply.model_validate(value, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = str(first["loc"][0])[:20] if first["loc"] else "object"
        raise Unreadable(f"{place}: {first['msg']}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object with unique keys: of two equal keys, either could be meant."""
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_reject_constant)


def _read_plain(text: str, rule: str = "") -> ParsedReply:
    verdicts = _line("VERDICT", rule, r"[ \t*_\"`]*(\w+)").findall(text)
    if not verdicts:
        raise Unreadable("there is no line that starts with VERDICT:")
    evidence = _line("EVIDENCE", rule, r"[ \t]*(.+)$").findall(text)
    quotes = [quote.strip().strip('"«»“”') for quote in evidence]
    reasoning = _line("REASONING", rule, r"[ \t]*(.+)$").findall(text)
    return ParsedReply(
        evidence=[quote for quote in quotes if fold(quote) not in _NO_QUOTE],
        reasoning=reasoning[-1].strip() if reasoning else "",
        verdict=verdicts[-1],
    )


@lru_cache(maxsize=256)
def _line(name: str, rule: str, value: str) -> re.Pattern[str]:
    """Matches a line of a plain-text reply: `NAME: value`, or `NAME rule: value`."""
    label = rf"[ \t*`\"]+{rule}[ \t*`\"]*" if rule else r"[ \t*_]*"
    return re.compile(rf"^[ \t*_#>-]*{name}{label}:{value}", re.MULTILINE | re.IGNORECASE)
