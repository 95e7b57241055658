"""Asks one prompt until the reply is valid, or no re-ask is left.

A reply is asked for again when it is unreadable, was cut, or quotes text that is not in the data.
When no re-ask helps, or the server rejects the output mode, the next looser mode is tried.
`cannot_judge` and ties are final. Whether we ask again never depends on the verdict itself.
"""

from typing import Literal, NamedTuple

from judge.llm.parse import (
    ParsedReply,
    Unreadable,
    first_unfounded,
    imitates_verdict,
    read_by_rule,
    read_reply,
)
from judge.llm.prompt import JudgePrompt, reask_body
from judge.llm.reply_source import NotRun, ReplySource, missing_reason
from judge.llm.request import OUTPUT_MODES, JudgeRequest, Mode, RequestSettings
from judge.verdict import Missing
from wire.completion import Reply
from wire.no_reply import BadRequest, NoReply, Rejected

Problem = Literal["malformed", "empty", "truncated", "refused", "evidence"]

NO_EVIDENCE = "evidence not found"
_NOTE = 300  # characters of the judge's reply that a verdict carries
# each cause gets one re-ask per prompt, over all modes; other problems get none
_CAUSES: dict[Problem, str] = {
    "malformed": "format",
    "empty": "format",
    "truncated": "tokens",
    "evidence": "evidence",
}


class Ruling(NamedTuple):
    """The model's decision on one rule: one of the prompt's options, or why it is missing."""

    verdict: str | None
    reason: Missing | None = None
    note: str = ""
    unfounded: bool = False  # it quotes text that is not in the data, even when asked again
    fallbacks: tuple[Mode, ...] = ()  # the looser modes that were tried


class _Invalid(Exception):
    """A reply that cannot be used as it is. `message` tells the model why."""

    def __init__(self, problem: Problem, message: str = "", reply: ParsedReply | None = None):
        super().__init__(message)
        self.problem = problem
        self.message = message
        self.reply = reply  # readable, only its evidence is unfounded


async def ask_until_valid(
    prompt: JudgePrompt, settings: RequestSettings, first: JudgeRequest, source: ReplySource
) -> Ruling:
    """The ruling on a prompt about one thing; `first` is its request in the strictest mode."""
    dialogue = _Dialogue(prompt, settings, first)
    while dialogue.ruling is None:
        try:
            reply = await source.reply(dialogue.request)
        except NoReply as error:
            dialogue.on_error(error)
        else:
            dialogue.on_reply(reply)
    return dialogue.ruling


class _Dialogue:
    """The next request of a prompt, until there is a ruling."""

    def __init__(self, prompt: JudgePrompt, settings: RequestSettings, first: JudgeRequest) -> None:
        self.request = first
        self.ruling: Ruling | None = None
        self._prompt = prompt
        self._settings = settings
        self._looser = iter(OUTPUT_MODES[OUTPUT_MODES.index(settings.mode) + 1 :])
        self._fallbacks: tuple[Mode, ...] = ()
        self._reasked: set[str] = set()  # causes
        self._failure: Ruling | None = None  # of the stricter modes
        self._problem: Problem | None = None  # of the latest reply in this mode
        self._readable: ParsedReply | None = None  # the latest in this mode
        self._text = ""

    def on_reply(self, reply: Reply) -> None:
        """Ends with a valid reply; otherwise asks again."""
        self._text = reply.text
        try:
            self._end(_ruling(_valid(self._prompt, self.request.mode, reply)))
        except _Invalid as error:
            self._problem, self._readable = error.problem, error.reply or self._readable
            cause = _CAUSES.get(error.problem)
            if cause is None or cause in self._reasked:
                self._give_up(error.problem)
            else:
                self._reasked.add(cause)
                self.request = self._again(error)

    def on_error(self, error: NoReply) -> None:
        """Ends, or tries the next mode when the server rejects this one."""
        if self._problem is not None and isinstance(error, Rejected | NotRun):
            self._give_up(self._problem)  # only the re-ask failed
        elif isinstance(error, BadRequest):
            self._loosen(Ruling(None, "transport", str(error)))
        else:
            self._end(Ruling(None, missing_reason(error), str(error)))

    def _again(self, error: _Invalid) -> JudgeRequest:
        if error.problem == "truncated":
            return self.request.with_twice_the_tokens()
        language, body = self._prompt.language, self.request.body
        return self.request.with_body(
            reask_body(body, language, self._text, error.problem, error.message)
        )

    def _give_up(self, problem: Problem) -> None:
        """No re-ask is left: a readable reply counts, flagged; otherwise the verdict is missing."""
        if self._readable is not None:
            self._end(_ruling(self._readable, unfounded=True))
            return
        reason: Missing = "malformed" if problem == "evidence" else problem
        ruling = Ruling(None, reason, self._text[:_NOTE])
        if reason in ("malformed", "empty"):
            self._loosen(ruling)
        else:
            self._end(ruling)

    def _loosen(self, failure: Ruling) -> None:
        """The server ignored or rejected this output mode; try the next one."""
        if self._failure is None or self._failure.reason == "transport":
            self._failure = failure
        mode = next(self._looser, None)
        if mode is None:
            self._end(self._failure)
            return
        self._fallbacks += (mode,)
        self._problem = self._readable = None
        self.request = self._prompt.request(self._settings._replace(mode=mode))

    def _end(self, ruling: Ruling) -> None:
        if self._failure is not None and ruling.reason in ("overflow", "not_run"):
            ruling = self._failure  # there is no reply in this mode
        self.ruling = ruling._replace(fallbacks=self._fallbacks)


def rulings_in(prompt: JudgePrompt, mode: Mode, reply: Reply) -> dict[str, Ruling]:
    """The rulings in a reply about several rules, by rule id.

    Rules without a valid ruling are left out: unreadable, or with evidence that is not in the data;
    all of them when the reply was cut or refused.
    """
    if reply.finish != "stop":
        return {}
    data = [part.text for part in prompt.parts]
    rules = [rule.id for rule in prompt.rules]
    if mode == "plain":
        rules = [rule for rule in rules if not imitates_verdict(rule, data)]
    replies = read_by_rule(reply.text, mode, prompt.options, rules)
    return {
        rule: _ruling(parsed)
        for rule, parsed in replies.items()
        if first_unfounded(parsed.evidence, data) is None
    }


def _valid(prompt: JudgePrompt, mode: Mode, reply: Reply) -> ParsedReply:
    """The parsed reply. Raises _Invalid."""
    if reply.finish == "length":  # checked before the text: a cut reply may look whole
        raise _Invalid("truncated")
    if reply.finish == "content_filter":
        raise _Invalid("refused")
    if reply.finish != "stop":
        raise _Invalid("malformed", "it did not end by itself")
    if not reply.text.strip():
        raise _Invalid("empty", "it was empty")
    try:
        parsed = read_reply(reply.text, mode, prompt.options)
    except Unreadable as error:
        raise _Invalid("malformed", str(error)) from None
    number = first_unfounded(parsed.evidence, [part.text for part in prompt.parts])
    if number is not None:
        raise _Invalid("evidence", str(number), parsed)
    return parsed


def _ruling(parsed: ParsedReply, unfounded: bool = False) -> Ruling:
    flag = NO_EVIDENCE if unfounded else ""
    note = "; ".join(filter(None, (flag, parsed.reasoning[:_NOTE])))
    if parsed.verdict == "cannot_judge":
        return Ruling(None, "cannot_judge", note, unfounded)
    return Ruling(parsed.verdict, None, note, unfounded)
