"""Asks a model to cut a prompt into rules, part by part; says which parts it could not.

A part whose reply is cut, or that does not fit, is asked for in halves.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from config.judging import JudgeSettings, ServerSettings
from judge.checks.text import language_of
from judge.drafting.check_catalogue import kinds, reply_schema
from judge.llm.client import Transport, Usage, budget_of
from judge.llm.fence import parts
from judge.llm.output_mode import settle_mode
from judge.llm.parse import Unreadable, read_object
from judge.llm.prompt import Body, JudgeRequest, Mode, asked_again, form, render, request_of
from prompts.rules import Language
from wire.client import RetryPolicy, Unanswered

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
    spent = Usage(server.price_per_million)
    transport = Transport(server, patience, budget_of(settings, server), spent)
    language = language_of(system)
    drafted: list[Any] = []
    unread: list[Unread] = []
    waiting = list(reversed(cut(system, PART)))
    try:
        mode = await settle_mode(transport.ask, server.model, transport.where)
        while waiting:
            part = waiting.pop()
            request = request_of(draft_body(part, mode, server.model, language))
            found = await _part(request, language, transport)
            if isinstance(found, list):
                drafted += found
            elif (
                found in ("truncated", "overflow") and len(halves := cut(part, len(part) // 2)) > 1
            ):
                waiting += reversed(halves)
            else:
                unread.append(Unread(part, found))
    except Unanswered as error:  # the probe's: the budget was spent before anything was asked
        unread += [Unread(part, error.reason) for part in reversed(waiting)]
    finally:
        await transport.close()
    return Replies(drafted, unread, spent.calls)


async def _part(request: JudgeRequest, language: Language, transport: Transport) -> list[Any] | str:
    """The rules of one part as the model wrote them, or the reason why there are none."""
    for _ in range(1 + _REASKS):
        try:
            reply = await transport.ask(request)
        except Unanswered as error:
            return error.reason
        if reply.finish == "length":  # read before the text: a cut list may look whole
            return "truncated"
        if reply.finish == "content_filter":
            return "refused"
        try:
            return _read(reply.text)
        except Unreadable as error:
            again = asked_again(request.body, language, reply.text, "malformed", str(error))
            request = request_of(again)
    return "malformed"


def draft_body(part: str, mode: Mode, model: str, language: Language) -> Body:
    """The request for the rules of one part of a prompt."""
    asked = render(language, "draft", kinds=list(kinds()))
    (fenced,) = parts({"prompt": part})
    return {
        "model": model,
        "messages": [{"role": "user", "content": f"{asked}\n\n{fenced.fenced()}"}],
        "temperature": 0,
        "max_tokens": max(_LEAST_ROOM, _ROOM * len(part)),
        **form(mode, "rules", reply_schema()),
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
