"""Asks a model to cut a prompt into rules, part by part; says which parts it could not.

A part whose reply is cut, or that does not fit, is asked for in halves.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from config.judging import JudgeSettings, ServerSettings
from judge.checks.text import language_of
from judge.drafting.check_catalogue import kinds, reply_schema
from judge.llm.budget import Usage, budget_of
from judge.llm.fence import fenced_parts
from judge.llm.output_mode import settle_mode
from judge.llm.parse import Unreadable, read_object
from judge.llm.prompt import reask_body
from judge.llm.reply_source import ServerOnly, missing_reason
from judge.llm.request import Body, JudgeRequest, Mode, build_request, response_format
from judge.llm.templates import render
from prompts.rules import Language
from wire.client import RetryPolicy
from wire.no_reply import NoReply

PART = 2000  # characters of the prompt in one question: a reply of some fifteen rules
_REASKS = 2
_ROOM = 2  # tokens of the reply per character of the part: each rule quotes it and says more
_LEAST_ROOM = 512  # tokens
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[.!?…][\"»”')\]])\s+")


class Unread(NamedTuple):
    """A part of the prompt that no rules came of."""

    part: str
    reason: str


class Replies(NamedTuple):
    """All that the model drafted, unchecked."""

    drafted: list[Any]
    unread: list[Unread]
    asked: int  # questions, the probe's among them


async def ask_for_rules(
    system: str, server: ServerSettings, settings: JudgeSettings, patience: RetryPolicy
) -> Replies:
    """The drafted rules of a system prompt.

    Raises SetupError when key, quota, address or model are wrong, or nothing answers at all.
    """
    usage = Usage(server.price_per_million)
    source = ServerOnly(server, patience, budget_of(settings, server), usage)
    language = language_of(system)
    drafted: list[Any] = []
    unread: list[Unread] = []
    waiting = list(reversed(cut(system, PART)))
    try:
        mode = await settle_mode(source, server.model, f"{server.base_url}, model {server.model}")
        while waiting:
            part = waiting.pop()
            request = build_request(draft_body(part, mode, server.model, language))
            found = await _part(request, language, source)
            if isinstance(found, list):
                drafted += found
            elif (
                found in ("truncated", "overflow") and len(halves := cut(part, len(part) // 2)) > 1
            ):
                waiting += reversed(halves)
            else:
                unread.append(Unread(part, found))
    except NoReply as error:  # of the probe: the budget was spent before anything was asked
        unread += [Unread(part, missing_reason(error)) for part in reversed(waiting)]
    finally:
        await source.close()
    return Replies(drafted, unread, usage.calls)


async def _part(request: JudgeRequest, language: Language, source: ServerOnly) -> list[Any] | str:
    """The rules of one part as the model wrote them, or the reason why there are none."""
    for _ in range(1 + _REASKS):
        try:
            reply = await source.reply(request)
        except NoReply as error:
            return missing_reason(error)
        if reply.finish == "length":  # read before the text: a cut list may look whole
            return "truncated"
        if reply.finish == "content_filter":
            return "refused"
        try:
            return _read(reply.text)
        except Unreadable as error:
            again = reask_body(request.body, language, reply.text, "malformed", str(error))
            request = build_request(again)
    return "malformed"


def draft_body(part: str, mode: Mode, model: str, language: Language) -> Body:
    """The request for the rules of one part of a prompt."""
    asked = render(language, "draft", kinds=list(kinds()))
    (fenced,) = fenced_parts({"prompt": part})
    return {
        "model": model,
        "messages": [{"role": "user", "content": f"{asked}\n\n{fenced.fenced()}"}],
        "temperature": 0,
        "max_tokens": max(_LEAST_ROOM, _ROOM * len(part)),
        **response_format(mode, "rules", reply_schema()),
    }


def _read(reply: str) -> list[Any]:
    rules = read_object(reply).get("rules")
    if not isinstance(rules, list):
        raise Unreadable("the key `rules` holds no list")
    return rules


def cut(text: str, most: int) -> list[str]:
    """The text in parts of at most so many characters: whole lines, or else whole sentences.

    A longer sentence is a part of its own.
    """
    pieces: list[str] = []
    for line in filter(str.strip, text.splitlines()):
        pieces += [line] if len(line) <= most else _SENTENCE.split(line)
    return _packed(pieces, most)


def _packed(pieces: Sequence[str], most: int) -> list[str]:
    packed: list[str] = []
    for piece in pieces:
        if packed and len(packed[-1]) + 1 + len(piece) <= most:
            packed[-1] += "\n" + piece
        else:
            packed.append(piece)
    return packed
