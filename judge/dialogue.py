"""One question to the model until there is a verdict, or a reason why there is none.

A reply is asked for again when it cannot be read, was cut, or quotes what the data do not hold;
never because of what it decided.
"""

from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

from judge.asked import request_key
from judge.questions import Body, Mode, Question, asked_again, with_more_room
from judge.replies import Judgement, Unreadable, read_reply, unfounded
from judge.transport import Reply, Unanswered
from judge.verdicts import Missing

Ask = Callable[[Body], Awaitable[Reply]]
Replies = list[tuple[str, Reply]]  # by request key
Problem = Literal["malformed", "empty", "truncated", "refused", "evidence"]

NO_EVIDENCE = "evidence not found"
_NOTE = 300  # characters of the judge's words that a verdict carries
_REASKS = {"form": 2, "room": 1, "evidence": 1}
_REASK_OF = {"malformed": "form", "empty": "form", "truncated": "room", "evidence": "evidence"}


class Ruling(NamedTuple):
    """A decided verdict (one of the question's options), or the reason why it is missing."""

    verdict: str | None
    reason: Missing | None = None
    note: str = ""


class _Reading(NamedTuple):
    judgement: Judgement | None
    problem: Problem | None = None
    message: str = ""  # tells the reply's author what is wrong with it


async def decide(question: Question, mode: Mode, body: Body, ask: Ask) -> tuple[Ruling, Replies]:
    """The ruling, and the replies that led to it: none when it is missing."""
    left = dict(_REASKS)
    replies: Replies = []
    readable: Judgement | None = None  # the latest, though its evidence is not in the data
    problem: Problem | None = None
    request = body
    while True:
        try:
            reply = await ask(request)
        except Unanswered as error:
            if problem is None or error.reason != "overflow":
                return Ruling(None, error.reason, str(error)), []
            return _ended(problem, readable, replies)  # only the longer re-ask does not fit
        replies.append((request_key(request), reply))
        reading = _read(question, mode, reply)
        if reading.problem is None and reading.judgement is not None:
            return _ruled(reading.judgement, ""), replies
        problem, readable = reading.problem, reading.judgement or readable
        kind = _REASK_OF.get(problem or "")
        if kind is None or not left[kind]:
            return _ended(problem, readable, replies)
        left[kind] -= 1
        request = _again(request, reply, reading)


def _again(request: Body, reply: Reply, reading: _Reading) -> Body:
    if reading.problem == "truncated":
        return with_more_room(request)
    return asked_again(request, reply.text, reading.problem or "", reading.message)


def _read(question: Question, mode: Mode, reply: Reply) -> _Reading:
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
    number = unfounded(found.evidence, "\n".join(part.text for part in question.parts))
    if number is None:
        return _Reading(found)
    return _Reading(found, "evidence", f"piece {number} of the evidence")


def _ended(
    problem: Problem | None, readable: Judgement | None, replies: Replies
) -> tuple[Ruling, Replies]:
    """No re-ask is left: a readable reply counts, flagged; without one the verdict is missing."""
    if readable is not None:
        return _ruled(readable, NO_EVIDENCE), replies
    reason: Missing = "malformed" if problem is None or problem == "evidence" else problem
    return Ruling(None, reason, replies[-1][1].text[:_NOTE]), []


def _ruled(found: Judgement, flag: str) -> Ruling:
    note = "; ".join(filter(None, (flag, found.reasoning[:_NOTE])))
    if found.verdict == "cannot_judge":
        return Ruling(None, "cannot_judge", note)
    return Ruling(found.verdict, None, note)
