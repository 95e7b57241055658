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
from judge.llm.reply_source import JudgeServer, ReplySource
from judge.llm.request import (
    OUTPUT_MODES,
    JudgeRequest,
    Mode,
    RequestSettings,
    ask_for_tokens,
    build_request,
)
from prompts.check_settings import LlmCheck
from prompts.rules import Rule
from wire.http_error import FORBIDDEN_WAY_OUT
from wire.no_reply import (
    BadRequest,
    ContentFiltered,
    ContextOverflow,
    Forbidden,
    NoReply,
    Undelivered,
    Unreached,
)
from wire.server_words import quoted

_PASSAGE = "The reading room is open from nine to six, and the desk answers letters by noon. "
_REPEATS = (40, 20, 10)  # of the passage: about 700 tokens, then less for a small model
_MAX_TOKENS = 512  # of the probe's reply, at least


async def settle_mode(
    source: ReplySource, server: JudgeServer, max_tokens: int, tokens: bool = False
) -> Mode:
    """The strictest mode that the server supports; plain text when it supports none.

    `max_tokens` of a verdict: a reasoning model spends them on reasoning first. `tokens`: the
    verdicts are read from the tokens' log-probabilities.
    Raises SetupError when the server answers no request at all, refuses plain text too, or gives no
    log-probabilities that are asked for, and NotAsked when none may be sent.
    """
    settings, setting = server
    name = f"{setting}: {quoted(settings.base_url)}, model {settings.model}"
    most = max(_MAX_TOKENS, max_tokens)
    probe = RequestSettings("plain", settings.model, most, fields=settings, tokens=tokens)
    failures: list[NoReply] = []
    for mode in OUTPUT_MODES[:-1]:
        try:
            if await _supports(source, probe._replace(mode=mode), name):
                return mode
        except (BadRequest, Undelivered) as error:
            failures.append(error)
    if len(failures) == len(OUTPUT_MODES) - 1:  # otherwise plain text needs no probe
        await _check_plain(source, probe, failures, name)
    return "plain"


async def _check_plain(
    source: ReplySource, probe: RequestSettings, failures: Sequence[NoReply], name: str
) -> None:
    """Raises SetupError when the server, which accepts no mode of output, refuses plain text."""
    failure = failures[-1]
    try:
        if any(isinstance(error, BadRequest) for error in failures):
            await _supports(source, probe, name)
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


async def _supports(source: ReplySource, probe: RequestSettings, name: str) -> bool:
    """Whether the server replies in this mode.

    Raises BadRequest, Undelivered and NotAsked, and SetupError when a reply lacks the tokens.
    """
    mode = probe.mode
    for repeats in _REPEATS:
        request = probe_prompt(repeats).request(probe)
        try:
            reply = await source.reply(request._replace(stage="probe"))
            if probe.tokens and not any(token.top for token in reply.tokens):
                raise SetupError(
                    f"{name} gives no log-probabilities of tokens; set judge.token_probabilities: "
                    "false, or take another server"
                )
            read_reply(answer_text(reply, mode), mode, VERDICTS)
        except ContextOverflow:
            continue  # a small model: try a shorter passage
        except Forbidden as error:  # the question is harmless: the key or the address is at fault
            raise SetupError(f"{name}: {error}: {FORBIDDEN_WAY_OUT}") from None
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


def mode_request(server: ServerSettings, tokens: bool = False) -> JudgeRequest:
    """The request under which the cache stores a server's output mode. It is never sent."""
    body = probe_prompt(1).body("plain", server.model, 1)
    body = server.apply(ask_for_tokens(body) if tokens else body)
    return build_request({"mode of": body})._replace(rule="probe", row="probe")
