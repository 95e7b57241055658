"""Asks one prompt until the reply is valid, or no re-ask is left.

A reply is asked for again when it is unreadable, was cut, or quotes text that is not in the data.
When no re-ask helps, or the server rejects the output mode, the next looser mode is tried.
`cannot_judge` and ties are final. Whether we ask again never depends on the verdict itself.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from data.visible_text import has_visible_text
from judge.llm.parse import (
    answer_text,
    first_unfounded,
    imitates_verdict,
    read_by_rule,
    read_reply,
)
from judge.llm.parsed_reply import ParsedReply, Unreadable
from judge.llm.prompt import JudgePrompt, reask_body
from judge.llm.reply_source import NotRun, ReplySource, missing_reason
from judge.llm.request import OUTPUT_MODES, Body, JudgeRequest, Mode, RequestSettings
from judge.llm.token_probability import pass_probability
from judge.verdict import Missing
from wire.completion import Reply, TokenLogprobs
from wire.finish_reason import Ending
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

_ENDINGS: dict[Ending, Problem] = {
    "cut": "truncated",
    "filtered": "refused",
    "unknown": "malformed",
}


class Ruling(NamedTuple):
    """The model's decision on one rule: one of the prompt's options, or why it is missing."""

    verdict: str | None
    reason: Missing | None = None
    note: str = ""
    unfounded: bool = False  # it quotes text that is not in the data, even when asked again
    contradictory: bool = False  # a pass whose reasoning says fail
    fallbacks: tuple[Mode, ...] = ()  # the looser modes that were tried
    probability: float | None = None  # of a pass, by the tokens; None: not asked for, or not there
    judges: tuple[str, str] | None = None  # what two models ruled; None: one, or one did not rule


class _Invalid(NamedTuple):
    """Why a reply cannot be used as it is."""

    problem: Problem
    message: str = ""  # tells the model why
    ruling: Ruling | None = None  # readable, only its evidence is unfounded


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
        self._readable: Ruling | None = None  # the latest in this mode
        self._text = self._note = ""  # of the latest reply

    def on_reply(self, reply: Reply) -> None:
        """Ends with a valid reply; otherwise asks again."""
        self._text, self._note = reply.text, _note(reply)
        outcome = _read(self._prompt, self.request.mode, reply)
        if isinstance(outcome, Ruling):
            self._end(outcome)
            return
        self._problem, self._readable = outcome.problem, outcome.ruling or self._readable
        cause = _CAUSES.get(outcome.problem)
        if cause is None or cause in self._reasked:
            self._give_up(outcome.problem)
        else:
            self._reasked.add(cause)
            self.request = self.request.with_body(self._reask(outcome))

    def on_error(self, error: NoReply) -> None:
        """Ends, or tries the next mode when the server rejects this one."""
        if self._problem is not None and isinstance(error, Rejected | NotRun):
            self._give_up(self._problem)  # only the re-ask failed
        elif isinstance(error, BadRequest):
            self._loosen(Ruling(None, "transport", str(error)))
        else:
            self._end(Ruling(None, missing_reason(error), str(error)))

    def _reask(self, invalid: _Invalid) -> Body:
        body = self.request.body
        if invalid.problem == "truncated":
            return {**body, "max_tokens": 2 * body["max_tokens"]}
        language = self._prompt.language
        return reask_body(body, language, self._text, invalid.problem, invalid.message)

    def _give_up(self, problem: Problem) -> None:
        """No re-ask is left: a readable reply counts, flagged; otherwise the verdict is missing."""
        if self._readable is not None:
            self._end(self._readable)
            return
        reason: Missing = "malformed" if problem == "evidence" else problem
        ruling = Ruling(None, reason, self._note[:_NOTE])
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
    if not reply.is_whole:
        return {}
    try:
        text = answer_text(reply, mode)
    except Unreadable:
        return {}
    data = [part.text for part in prompt.parts]
    replies = read_by_rule(text, mode, prompt.options, [rule.id for rule in prompt.rules])
    return {
        rule: _ruling(parsed)
        for rule, parsed in replies.items()
        if first_unfounded(parsed.evidence, data) is None
        and not (mode == "plain" and imitates_verdict(rule, data))
    }


def _read(prompt: JudgePrompt, mode: Mode, reply: Reply) -> Ruling | _Invalid:
    problem = _ENDINGS.get(reply.ending)  # checked before the text: a cut reply may look whole
    if problem is not None:
        return _Invalid(problem, "it did not end by itself")
    try:
        text = answer_text(reply, mode)
        if not text.strip():
            return _Invalid("empty", "it was empty")
        parsed = read_reply(text, mode, prompt.options)
    except Unreadable as error:
        return _Invalid("malformed", str(error))
    number = first_unfounded(parsed.evidence, [part.text for part in prompt.parts])
    ruling = _ruling(parsed, reply.tokens, unfounded=number is not None)
    return ruling if number is None else _Invalid("evidence", str(number), ruling)


def _note(reply: Reply) -> str:
    """What a missing verdict says of the reply, as a file can store it."""
    note = reply.text
    if reply.ending == "unknown":
        note = f"finish_reason {reply.finish!r} is no known end: {reply.text}"
    elif reply.reasoning and not has_visible_text(reply.text):
        note = f"only reasoning came: {reply.reasoning}"
    return note.replace("\0", "?").encode(errors="replace").decode()


def _ruling(
    parsed: ParsedReply, tokens: Sequence[TokenLogprobs] = (), unfounded: bool = False
) -> Ruling:
    """The ruling of a reply: of pass and fail the more probable one, where it has tokens."""
    probability = pass_probability(parsed.verdict, tokens) if tokens else None
    if probability is not None and probability != 0.5:
        more_probable = "pass" if probability > 0.5 else "fail"
        parsed = parsed.model_copy(update={"verdict": more_probable})
    flag = NO_EVIDENCE if unfounded else ""
    note = "; ".join(filter(None, (flag, parsed.reasoning[:_NOTE])))
    if parsed.verdict == "cannot_judge":
        return Ruling(None, "cannot_judge", note, unfounded)
    contradictory = parsed.contradicts_itself
    return Ruling(parsed.verdict, None, note, unfounded, contradictory, probability=probability)
