"""Asks a model to split a prompt into rules, part by part; reports the parts without rules.

A part that does not fit, or whose reply is truncated, is asked for again in halves.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from config.judging import JudgeSettings, ServerSettings
from judge.checks.text import language_of
from judge.drafting.check_catalogue import check_kinds, rules_schema
from judge.llm.fence import fenced_parts
from judge.llm.output_mode import settle_mode
from judge.llm.parse import answer_text, read_object
from judge.llm.parsed_reply import Unreadable
from judge.llm.prompt import reask_body
from judge.llm.reply_source import (
    JudgeServer,
    ServerOnly,
    Usage,
    check_budget,
    missing_reason,
)
from judge.llm.request import Body, JudgeRequest, Mode, build_request, response_format
from judge.llm.templates import render
from prompts.rules import Language
from wire.client import RetryPolicy
from wire.no_reply import NoReply

PART_CHARACTERS = 2000  # of the prompt in one request: about fifteen rules
_REASKS = 2
_TOKENS_PER_CHARACTER = 2  # of the reply: each rule quotes the part and adds to it
_MIN_TOKENS = 512
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[.!?…][\"»”')\]])\s+")


class RequestedRules(NamedTuple):
    """The rules as the model wrote them, unchecked."""

    rules: list[Any]
    skipped: list[tuple[str, str]]  # parts that yielded no rules, each with the reason
    requests: int  # with the one that finds the output mode


async def request_rules(
    system: str, server: ServerSettings, settings: JudgeSettings, retry: RetryPolicy
) -> RequestedRules:
    """The rules of a system prompt.

    Raises SetupError when key, quota, address or model are wrong, or the server never replies.
    """
    check_budget(settings, server)
    named = JudgeServer(server)
    usage = Usage.of([named])
    source = ServerOnly(named, retry, settings, usage)
    language = language_of(system)
    rules: list[Any] = []
    skipped: list[tuple[str, str]] = []
    waiting = split_text(system, PART_CHARACTERS)[::-1]
    try:
        mode = await settle_mode(source, named, settings.max_tokens)
        while waiting:
            part = waiting.pop()
            body = draft_body(part, mode, server.model, language)
            request = build_request(body, server)._replace(mode=mode)
            reply = await _rules_of_part(request, language, source)
            if isinstance(reply, list):
                rules += reply
                continue
            halves = split_text(part, len(part) // 2)
            if reply in ("truncated", "overflow") and len(halves) > 1:
                waiting += reversed(halves)
            else:
                skipped.append((part, reply))
    except NoReply as error:  # the budget was spent before the first part
        skipped += [(part, missing_reason(error)) for part in reversed(waiting)]
    finally:
        await source.close()
    return RequestedRules(rules, skipped, usage.calls)


async def _rules_of_part(
    request: JudgeRequest, language: Language, source: ServerOnly
) -> list[Any] | str:
    """The rules of one part, or the reason why there are none."""
    for _ in range(1 + _REASKS):
        try:
            reply = await source.reply(request)
        except NoReply as error:
            return missing_reason(error)
        if reply.ending == "filtered":
            return "refused"
        if not reply.is_whole:  # checked before the text: a truncated list may parse
            return "truncated"
        try:
            rules = read_object(answer_text(reply, request.mode)).get("rules")
            if isinstance(rules, list):
                return rules
            raise Unreadable("the key `rules` holds no list")
        except Unreadable as error:
            body = reask_body(request.body, language, reply.text, "malformed", str(error))
            request = request.with_body(body)
    return "malformed"


def draft_body(part: str, mode: Mode, model: str, language: Language) -> Body:
    """The request for the rules of one part of a prompt."""
    instructions = render(language, "draft", kinds=list(check_kinds()))
    (fenced,) = fenced_parts({"prompt": part})
    return {
        "model": model,
        "messages": [{"role": "user", "content": f"{instructions}\n\n{fenced.fenced()}"}],
        "temperature": 0,
        "max_tokens": max(_MIN_TOKENS, _TOKENS_PER_CHARACTER * len(part)),
        **response_format(mode, "rules", rules_schema()),
    }


def split_text(text: str, max_characters: int) -> list[str]:
    """Splits a text between lines, and longer lines between sentences, into parts of this size.

    A longer sentence is a part of its own.
    """
    parts: list[str] = []
    for piece in _pieces(text, max_characters):
        if parts and len(parts[-1]) + 1 + len(piece) <= max_characters:
            parts[-1] += "\n" + piece
        else:
            parts.append(piece)
    return parts


def _pieces(text: str, max_characters: int) -> Iterator[str]:
    for line in filter(str.strip, text.splitlines()):
        yield from [line] if len(line) <= max_characters else _SENTENCE_END.split(line)
