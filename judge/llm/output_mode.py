"""Which form of reply the server can be held to, found out once with a long question.

Long, because servers that constrain short replies well have been seen to drop the constraint, or
the connection, on long input.
"""

from collections.abc import Awaitable, Callable, Iterator

from config.errors import SetupError
from data.rows import Context, Row
from judge.llm.parse import Unreadable, read_reply
from judge.llm.prompt import JudgePrompt, JudgeRequest, Mode, request_of, verdict_question
from prompts.check_settings import LlmCheck
from prompts.rules import Rule
from wire.client import Unanswered
from wire.completion import Reply

OUTPUT_MODES: tuple[Mode, ...] = ("json_schema", "structured_outputs", "json_object", "plain")

_PASSAGE = "The reading room is open from nine to six, and the desk answers letters by noon. "
_REPEATS = (40, 20, 10)  # of the passage: about 700 tokens, and less for a small model
_ROOM = 512  # tokens for the probe's reply


def probe_question(repeats: int) -> JudgePrompt:
    """A harmless question about a long passage."""
    demand = LlmCheck.model_validate({"type": "llm", "pass": "polite", "fail": "rude"})
    rule = Rule(id="probe", source="Be polite.", check=demand)
    row = Row(id="probe", question="When is it open?", contexts=(Context(text=_PASSAGE * repeats),))
    return verdict_question(rule, row, "It is open from nine to six. You are welcome.")


async def settle_mode(
    ask: Callable[[JudgeRequest], Awaitable[Reply]], model: str, where: str
) -> Mode:
    """The strictest form that the server keeps to; plain text when it keeps to none.

    Raises SetupError when the server answers nothing at all, Unanswered when the budget is spent.
    """
    answered = False
    for mode in OUTPUT_MODES[:-1]:  # plain text needs no trial
        kept, alive = await _keeps(mode, ask, model)
        if kept:
            return mode
        answered = answered or alive
    if not answered:
        raise SetupError(
            f"judge.llm: {where} answers no request; start the server or mend base_url"
        )
    return "plain"


async def _keeps(
    mode: Mode, ask: Callable[[JudgeRequest], Awaitable[Reply]], model: str
) -> tuple[bool, bool]:
    """Whether a reply in this form came, and whether the server said anything at all."""
    for request, question in probes(mode, model):
        try:
            reply = await ask(request)
        except Unanswered as error:
            if error.reason == "budget":
                raise
            if error.reason == "overflow":
                continue  # the model is small: a shorter passage
            return False, error.rejected
        return _is_kept(reply, mode, question), True
    return False, True


def probes(mode: Mode, model: str) -> Iterator[tuple[JudgeRequest, JudgePrompt]]:
    """What is asked to try a mode: shorter each time, for models that the longer does not fit."""
    for repeats in _REPEATS:
        question = probe_question(repeats)
        yield request_of(question.body(mode, model, _ROOM)), question


def _is_kept(reply: Reply, mode: Mode, question: JudgePrompt) -> bool:
    try:
        read_reply(reply.text, mode, question.options)
    except Unreadable:
        return False
    return reply.finish == "stop"
