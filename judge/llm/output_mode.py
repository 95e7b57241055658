"""Probes which output mode a server supports, with one long prompt.

Long, because some servers that constrain short replies well drop the constraint, or the connection,
on long input.
"""

from collections.abc import Sequence

from config.errors import SetupError
from config.judging import ServerSettings
from data.rows import Context, Row
from judge.llm.parse import answer_text, read_reply
from judge.llm.parsed_reply import Unreadable
from judge.llm.prompt import VERDICTS, JudgePrompt, verdict_prompt
from judge.llm.reply_source import ReplySource
from judge.llm.request import OUTPUT_MODES, JudgeRequest, Mode, RequestSettings, build_request
from prompts.check_settings import LlmCheck
from prompts.rules import Rule
from wire.no_reply import (
    BadRequest,
    ContentFiltered,
    ContextOverflow,
    NoReply,
    Undelivered,
    Unreached,
)
from wire.server_words import quoted

_PASSAGE = "The reading room is open from nine to six, and the desk answers letters by noon. "
_REPEATS = (40, 20, 10)  # of the passage: about 700 tokens, then less for a small model
_MAX_TOKENS = 512  # of the probe's reply, at least


async def settle_mode(source: ReplySource, server: ServerSettings, max_tokens: int) -> Mode:
    """The strictest mode that the server supports; plain text when it supports none.

    `max_tokens` of a verdict: a reasoning model spends them on reasoning first.
    Raises SetupError when the server answers no request at all, or refuses plain text too, and
    NotAsked when none may be sent.
    """
    probe = RequestSettings("plain", server.model, max(_MAX_TOKENS, max_tokens), fields=server)
    failures: list[NoReply] = []
    for mode in OUTPUT_MODES[:-1]:
        try:
            if await _supports(source, probe._replace(mode=mode)):
                return mode
        except (BadRequest, Undelivered) as error:
            failures.append(error)
    if len(failures) == len(OUTPUT_MODES) - 1:  # otherwise plain text needs no probe
        name = f"judge.llm: {quoted(server.base_url)}, model {server.model}"
        await _check_plain(source, probe, failures, name)
    return "plain"


async def _check_plain(
    source: ReplySource, probe: RequestSettings, failures: Sequence[NoReply], name: str
) -> None:
    """Raises SetupError when the server, which accepts no mode of output, refuses plain text."""
    failure = failures[-1]
    try:
        if any(isinstance(error, BadRequest) for error in failures):
            await _supports(source, probe)
            return
    except BadRequest as error:
        raise SetupError(
            f"{name} refuses every request, in plain text too: {error}; change what it names"
        ) from None
    except Undelivered as error:
        failure = error
    if isinstance(failure, Unreached):
        raise SetupError(f"{name} answers no request; start the server or fix base_url ({failure})")
    raise SetupError(f"{name} was reached and gives no usable reply: {failure}; check the server")


async def _supports(source: ReplySource, probe: RequestSettings) -> bool:
    """Whether the server replies in this mode. Raises BadRequest, Undelivered and NotAsked."""
    mode = probe.mode
    for repeats in _REPEATS:
        request = probe_prompt(repeats).request(probe)
        try:
            reply = await source.reply(request._replace(stage="probe"))
            read_reply(answer_text(reply, mode), mode, VERDICTS)
        except ContextOverflow:
            continue  # a small model: try a shorter passage
        except (ContentFiltered, Unreadable):
            return False
        return reply.is_whole
    return False


def probe_prompt(repeats: int) -> JudgePrompt:
    """A harmless prompt about a long passage."""
    check = LlmCheck.model_validate({"type": "llm", "pass": "polite", "fail": "rude"})
    rule = Rule(id="probe", source="Be polite.", check=check)
    row = Row(id="probe", question="When is it open?", contexts=(Context(text=_PASSAGE * repeats),))
    return verdict_prompt(rule, row, "It is open from nine to six. You are welcome.")


def mode_request(server: ServerSettings) -> JudgeRequest:
    """The request under which the cache stores a server's output mode. It is never sent."""
    body = server.apply(probe_prompt(1).body("plain", server.model, 1))
    return build_request({"mode of": body})._replace(rule="probe", row="probe")
