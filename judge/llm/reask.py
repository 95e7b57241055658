"""One question to the model until there is a verdict, or a reason why there is none.

Where one call asks about several rules, its reply is read once, and only what holds of a rule by
itself counts: a rule that it leaves open is asked about alone, by all that is said below.

A reply is asked for again when it cannot be read, was cut, or quotes what the data do not hold;
never because of what it decided. Where no re-ask is left, or the server refuses the form of reply,
the question falls to the next looser form.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, NamedTuple

from judge.llm.parse import ParsedReply, Unreadable, read_by_rule, read_reply, speaks_for, unfounded
from judge.llm.prompt import (
    JudgePrompt,
    JudgeRequest,
    Mode,
    asked_again,
    request_of,
    with_more_room,
)
from judge.verdict import Missing
from wire.client import Unanswered
from wire.completion import Reply

Ask = Callable[[JudgeRequest], Awaitable[Reply]]
Problem = Literal["malformed", "empty", "truncated", "refused", "evidence"]

NO_EVIDENCE = "evidence not found"
_NOTE = 300  # characters of the judge's words that a verdict carries
_REASKS = {"form": 1, "room": 1, "evidence": 1}  # of one question, whatever the form of reply
_REASK_OF = {"malformed": "form", "empty": "form", "truncated": "room", "evidence": "evidence"}


class Ruling(NamedTuple):
    """A decided verdict (one of the question's options), or the reason why it is missing."""

    verdict: str | None
    reason: Missing | None = None
    note: str = ""
    unfounded: bool = False  # its evidence is not in the data, and a re-ask did not mend that


class Ended(NamedTuple):
    """The ruling, and the forms of reply it took, of which the last one counts."""

    ruling: Ruling
    modes: Sequence[Mode]


class _Reading(NamedTuple):
    judgement: ParsedReply | None
    problem: Problem | None = None
    message: str = ""  # tells the reply's author what is wrong with it


class _Talk(NamedTuple):
    """How a conversation in one form of reply ended."""

    ruling: Ruling
    broken: bool = False  # the form was not kept, or is refused: a looser one may do


async def decide(
    question: JudgePrompt,
    modes: Sequence[Mode],
    request_in: Callable[[Mode], JudgeRequest],
    ask: Ask,
) -> Ended:
    """The ruling on a question that is asked in the first of these modes, the others in reserve."""
    left = dict(_REASKS)
    broken: Ruling | None = None  # why the stricter modes did not do
    for number, mode in enumerate(modes, 1):
        talk = await _talk(question, request_in(mode), mode, ask, left)
        if not talk.broken:
            spent = talk.ruling.reason in ("overflow", "not_run")  # no reply in this mode to read
            return Ended(broken if broken and spent else talk.ruling, modes[:number])
        if broken is None or broken.reason == "transport":
            broken = talk.ruling
    if broken is None:
        raise ValueError("no mode to ask in")
    return Ended(broken, modes)


def rulings_in(question: JudgePrompt, mode: Mode, reply: Reply) -> dict[str, Ruling]:
    """What a reply says of the question's rules, by id; without those that it leaves open.

    Left open is what is missing, malformed, or quotes what the data do not hold; in a reply that
    was cut or refused, everything.
    """
    if reply.finish != "stop":
        return {}
    data = [part.text for part in question.parts]
    asked = [rule.id for rule in question.about]
    if mode == "plain":
        asked = [rule for rule in asked if not speaks_for(rule, data)]
    found = read_by_rule(reply.text, mode, question.options, asked)
    return {
        rule: _ruled(one) for rule, one in found.items() if unfounded(one.evidence, data) is None
    }


async def _talk(
    question: JudgePrompt, request: JudgeRequest, mode: Mode, ask: Ask, left: dict[str, int]
) -> _Talk:
    readable: ParsedReply | None = None  # the latest, though its evidence is not in the data
    problem: Problem | None = None
    said = ""
    while True:
        try:
            reply = await ask(request)
        except Unanswered as error:
            if problem is not None and (error.rejected or error.reason == "not_run"):
                return _ended(problem, readable, said)  # only the re-ask cannot be had
            refused = error.rejected and error.reason == "transport"
            return _Talk(Ruling(None, error.reason, str(error)), broken=refused)
        said = reply.text
        reading = _read(question, mode, reply)
        if reading.problem is None and reading.judgement is not None:
            return _Talk(_ruled(reading.judgement))
        problem, readable = reading.problem, reading.judgement or readable
        kind = _REASK_OF.get(problem or "")
        if kind is None or not left[kind]:
            return _ended(problem, readable, said)
        left[kind] -= 1
        request = _again(question, request, reply, reading)


def _again(
    question: JudgePrompt, request: JudgeRequest, reply: Reply, reading: _Reading
) -> JudgeRequest:
    if reading.problem == "truncated":
        return request_of(with_more_room(request.body))
    problem = reading.problem or ""
    again = asked_again(request.body, question.language, reply.text, problem, reading.message)
    return request_of(again)


def _read(question: JudgePrompt, mode: Mode, reply: Reply) -> _Reading:
    if reply.finish == "length":  # read before the text: a cut reply may look whole
        return _Reading(None, "truncated")
    if reply.finish == "content_filter":
        return _Reading(None, "refused")
    if reply.finish != "stop":
        return _Reading(None, "malformed", "it did not end by itself")
    if not reply.text.strip():
        return _Reading(None, "empty", "it was empty")
    try:
        found = read_reply(reply.text, mode, question.options)
    except Unreadable as error:
        return _Reading(None, "malformed", str(error))
    number = unfounded(found.evidence, [part.text for part in question.parts])
    return _Reading(found) if number is None else _Reading(found, "evidence", str(number))


def _ended(problem: Problem | None, readable: ParsedReply | None, said: str) -> _Talk:
    """No re-ask is left: a readable reply counts, flagged; without one the verdict is missing."""
    if readable is not None:
        return _Talk(_ruled(readable, unfounded=True))
    reason: Missing = "malformed" if problem is None or problem == "evidence" else problem
    return _Talk(Ruling(None, reason, said[:_NOTE]), broken=reason in ("malformed", "empty"))


def _ruled(found: ParsedReply, unfounded: bool = False) -> Ruling:
    flag = NO_EVIDENCE if unfounded else ""
    note = "; ".join(filter(None, (flag, found.reasoning[:_NOTE])))
    if found.verdict == "cannot_judge":
        return Ruling(None, "cannot_judge", note, unfounded)
    return Ruling(found.verdict, None, note, unfounded)
