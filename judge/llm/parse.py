"""Parses a model's reply: JSON by the schema, or plain text by its labelled lines.

Knows replies about one rule and about several; leaves re-asking to `judge.llm.reask`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from judge.checks.text import fold
from judge.llm.parsed_reply import ParsedReply, Unreadable
from judge.llm.plain_reply import read_plain, read_plain_by_rule
from judge.llm.request import Mode
from prompts.reasoning import behind_reasoning
from wire.completion import Reply

_CODE_BLOCK = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL | re.IGNORECASE)
_ELLIPSIS = re.compile(r"\.\.\.|…|\[…\]")


def answer_text(reply: Reply, mode: Mode) -> str:
    """The text of a reply. A server that takes the whole reply of a model that did not think for
    its reasoning files the object there, and nothing else.

    Raises Unreadable when it holds half a character, which no file can store.
    """
    if not reply.is_storable:
        raise Unreadable("it holds half a character (a lone surrogate)")
    is_misfiled = not reply.text.strip() and reply.reasoning.lstrip().startswith("{")
    return reply.reasoning if is_misfiled and mode != "plain" else reply.text


def read_reply(text: str, mode: Mode, options: Sequence[str]) -> ParsedReply:
    """Parses a reply about one rule. Raises Unreadable."""
    reply = read_plain(text) if mode == "plain" else _read_value(read_object(text))
    return reply.checked(options)


def read_by_rule(
    text: str, mode: Mode, options: Sequence[str], rules: Sequence[str]
) -> dict[str, ParsedReply]:
    """Parses a reply about several rules, by rule id. Unreadable and unknown ones are left out."""
    replies = dict[str, ParsedReply]()
    with suppress(Unreadable):
        by_rule: Mapping[str, object] = (
            read_plain_by_rule(text, rules) if mode == "plain" else read_object(text)
        )
        for rule in rules:
            with suppress(Unreadable):
                value = by_rule.get(rule)
                reply = value if isinstance(value, ParsedReply) else _read_value(value)
                replies[rule] = reply.checked(options)
    return replies


def imitates_verdict(rule: str, sources: Sequence[str]) -> bool:
    """Whether the data contain a verdict line of a rule, anywhere in a line.

    A plain-text reply that quotes it could not be told from the judge's own verdict.
    """
    line = re.compile(rf"VERDICT[\W_]*{rule}\b", re.IGNORECASE)
    return any(line.search(text) for text in sources)


def read_object(reply: str) -> dict[str, Any]:
    """The one JSON object that a reply consists of. Raises Unreadable.

    Behind reasoning it is the first text that is an object: its own strings may name tags.
    """
    try:
        return _decode(reply)
    except Unreadable:
        *earlier, last = behind_reasoning(reply) or [""]
        for text in earlier:
            with suppress(Unreadable):
                return _decode(text)
        return _decode(last)


def _decode(reply: str) -> dict[str, Any]:
    text = reply.strip()
    block = _CODE_BLOCK.fullmatch(text)
    try:
        value = _DECODER.decode(block.group(1) if block else text)
        if "\\u" in text:  # escapes write characters that JSON allows and no text of people has
            _check_characters(value)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not one JSON object: {error}"[:200]) from None
    if not isinstance(value, dict):
        raise Unreadable(f"expected a JSON object, found {type(value).__name__}")
    return value


def _check_characters(value: Any) -> None:
    """Raises ValueError where a key or a text, at any depth, has half a character or a NUL."""
    if isinstance(value, str):
        value.encode()
        if "\0" in value:
            raise ValueError("a text holds NUL")
    elif isinstance(value, list):
        for part in value:
            _check_characters(part)
    elif isinstance(value, dict):
        for part in (*value, *value.values()):
            _check_characters(part)


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
