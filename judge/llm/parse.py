"""Reads a model's reply: only the schema counts, or in plain text the last verdict line.

Knows the two forms of reply, about one thing and rule by rule; leaves re-asking to
`judge.llm.reask`.
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
from judge.llm.prompt import Mode

_FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL | re.IGNORECASE)
_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)  # only in front of the reply
_NOTHING = ("", "none", "(none)", "n/a", "нет", "(нет)")
_ELISION = re.compile(r"\.\.\.|…|\[…\]")


class Unreadable(Exception):
    """The reply is not in the form asked for. The message tells its author why, in our own words:
    what was quoted from the data must not come back as an instruction.
    """


class ParsedReply(Record):
    """A reply as it was read."""

    evidence: list[str]
    reasoning: str
    verdict: str


def read_reply(text: str, mode: Mode, options: Sequence[str]) -> ParsedReply:
    """The judgement in a reply. Raises Unreadable."""
    found = _read_plain(_said(text)) if mode == "plain" else _read_value(read_object(text))
    return _among(found, options)


def read_by_rule(
    text: str, mode: Mode, options: Sequence[str], rules: Sequence[str]
) -> dict[str, ParsedReply]:
    """The judgements by rule id in one reply; those that cannot be read are left out.

    Ids that were not asked about count for nothing.
    """
    found = {}
    with suppress(Unreadable):
        values = {} if mode == "plain" else read_object(text)
        for rule in rules:
            with suppress(Unreadable):
                plain = mode == "plain"
                one = _read_plain(_said(text), rule) if plain else _read_value(values.get(rule))
                found[rule] = _among(one, options)
    return found


def speaks_for(rule: str, sources: Sequence[str]) -> bool:
    """Whether the data hold what looks like a verdict line of a rule, anywhere in a line.

    Quoted in a reply in plain text, it could be taken for the judge's own.
    """
    line = re.compile(rf"VERDICT\W*{rule}\b", re.IGNORECASE)
    return any(line.search(text) for text in sources)


def _among(found: ParsedReply, options: Sequence[str]) -> ParsedReply:
    verdict = found.verdict.strip().casefold()
    if verdict not in options:
        raise Unreadable(f"the verdict is none of {', '.join(options)}")
    return found if verdict == found.verdict else found.model_copy(update={"verdict": verdict})


def _said(text: str) -> str:
    """The reply without the thoughts in front of it."""
    return _THOUGHT.sub("", text, count=1) if text.lstrip().startswith("<think>") else text


def read_object(reply: str) -> dict[str, Any]:
    """The one JSON object that a reply is. Raises Unreadable."""
    text = _said(reply).strip()
    fenced = _FENCED.fullmatch(text)
    try:
        value = _DECODER.decode(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not one JSON object: {error}"[:200]) from None
    if not isinstance(value, dict):
        raise Unreadable(f"expected a JSON object, found {type(value).__name__}")
    return value


def _read_value(value: object) -> ParsedReply:
    try:
        return ParsedReply.model_validate(value, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = str(first["loc"][0])[:20] if first["loc"] else "object"
        raise Unreadable(f"{place}: {first['msg']}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two equal keys either could be meant: neither is taken."""
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


@lru_cache(maxsize=256)
def _line(name: str, rule: str, value: str) -> re.Pattern[str]:
    """A line of a reply in plain text: `NAME: value`, or `NAME rule: value`."""
    named = rf"[ \t*`\"]+{rule}[ \t*`\"]*" if rule else r"[ \t*_]*"
    return re.compile(rf"^[ \t*_#>-]*{name}{named}:{value}", re.MULTILINE | re.IGNORECASE)


def _read_plain(text: str, rule: str = "") -> ParsedReply:
    verdicts = _line("VERDICT", rule, r"[ \t*_\"`]*(\w+)").findall(text)
    if not verdicts:
        raise Unreadable("there is no line that starts with VERDICT:")
    quoted = _line("EVIDENCE", rule, r"[ \t]*(.+)$").findall(text)
    quotes = [quote.strip().strip('"«»“”') for quote in quoted]
    reasoning = _line("REASONING", rule, r"[ \t]*(.+)$").findall(text)
    return ParsedReply(
        evidence=[quote for quote in quotes if fold(quote) not in _NOTHING],
        reasoning=reasoning[-1].strip() if reasoning else "",
        verdict=verdicts[-1],
    )


def unfounded(evidence: Sequence[str], sources: Sequence[str]) -> int | None:
    """The number, from 1, of the first piece that does not occur in the sources; None: all do.

    Compared folded; a piece with an ellipsis must occur piece by piece.
    """
    if not evidence:
        return None
    known = " ".join(map(_folded, sources))
    for number, quote in enumerate(evidence, 1):
        pieces = [fold(piece).strip(' ".,;:') for piece in _ELISION.split(quote)]
        if any(piece not in known for piece in pieces):
            return number
    return None


_folded = lru_cache(maxsize=1024)(fold)  # a row's texts come again with every rule
