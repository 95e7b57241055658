"""Asks each different question once: of the stored replies first, then of the server.

Three ways of asking. `new`: what has no stored reply. `missing`: also what was answered and has no
verdict all the same. `none`: nothing; the stored replies are read again. That the model cannot
judge is an answer, and so is a tie: what is asked never depends on what a reply decided.

A call about several rules is asked once and never again: each rule that it leaves open is asked
about alone, so that the verdicts on the others stay as they are. It costs one call at most more
than its rules alone.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from typing import Literal, Protocol

from pydantic import TypeAdapter

from config.judging import JudgeSettings
from data.rows import Row
from judge.llm.cache import ReplyCache
from judge.llm.output_mode import OUTPUT_MODES, probe_question, settle_mode
from judge.llm.prompt import (
    Body,
    JudgePrompt,
    JudgeRequest,
    Mode,
    applies_question,
    request_of,
    verdicts_question,
)
from judge.llm.reask import Ended, Ruling, decide, rulings_in
from judge.votes import majority
from prompts.rules import Language, Rule
from wire.client import Unanswered
from wire.completion import Reply

Asks = Literal["new", "missing", "none"]

Rulings = Sequence[Ruling]  # one for each rule of a question; of a pair, one
RequestIn = Callable[[Mode], JudgeRequest]
Alone = Callable[[JudgePrompt], Awaitable[Rulings]]

_MODE: TypeAdapter[Mode] = TypeAdapter(Mode)


class Server(Protocol):
    """What answers requests: `judge.llm.client.Transport`, or what stands in its place."""

    @property
    def where(self) -> str:
        """The server's address, for errors."""

    async def ask(self, request: JudgeRequest) -> Reply:
        """The reply. Raises Unanswered when there is none."""


class JudgeSession:
    """Rulings of one model on the questions of one rule file. To be used inside one event loop."""

    def __init__(
        self,
        model: str,
        settings: JudgeSettings,
        language: Language,
        store: ReplyCache,
        server: Server | None,
        asks: Asks,
    ) -> None:
        """Without a server only `asks` = none can be had."""
        self._model = model
        self._settings = settings
        self._language = language
        self._store = store
        self._server = server
        self._asks = asks
        self._due: dict[tuple[str, str], asyncio.Task[Rulings]] = {}
        self._rulings: dict[str, asyncio.Task[Rulings]] = {}
        self._settling = asyncio.Lock()
        self.mode: Mode | None = None  # until a question needs one
        self.fell: Counter[Mode] = Counter()  # questions that a stricter mode failed, by mode
        self.unfounded = 0  # rulings whose evidence is not in the data

    async def due(self, rule: Rule, row: Row) -> Ruling:
        """Whether a rule is due on a row: asked once for all its answers, never sampled."""
        place = rule.id, row.id
        if place not in self._due:
            question = applies_question(rule, row, self._language)
            self._due[place] = asyncio.ensure_future(self.sampled(question, 0.0, 0))
        return (await self._due[place])[0]

    async def verdicts(self, rules: Sequence[Rule], row: Row, answer: str) -> list[Ruling]:
        """Whether an answer obeys rules that see the same, by one call for each sample."""
        return await self.rulings(verdicts_question(rules, row, answer, self._language))

    async def rulings(self, question: JudgePrompt) -> list[Ruling]:
        """For each rule, the majority of the samples that the settings want of such a question."""
        must = any(rule.severity == "must" for rule in question.about)
        heat = self._settings.temperature
        numbers = range(self._settings.samples_of(must))
        samples = [await self.sampled(question, heat, number) for number in numbers]
        return [majority(of_rule) for of_rule in zip(*samples, strict=True)]

    async def reply(self, body: Body) -> Reply | None:
        """The raw reply to a request of any kind; None: there is none."""
        request = request_of(body)
        try:
            return self._store.reply(request.key) or await self._put("text", "", request)
        except Unanswered:
            return None

    async def sampled(self, question: JudgePrompt, temperature: float, sample: int) -> Rulings:
        """One ruling for each rule. Equal requests, under way at once or not, share them."""
        try:
            mode = self.mode or await self._settled()
        except Unanswered as error:
            return _unanswered(question, error)
        most = self._settings.max_tokens

        @cache
        def request_in(form: Mode) -> JudgeRequest:
            return request_of(question.body(form, self._model, most, temperature, sample))

        key = request_in(mode).key
        if key not in self._rulings:
            if len(question.about) > 1:
                alone = partial(self.sampled, temperature=temperature, sample=sample)
                found = self._together(question, mode, request_in(mode), alone)
            else:
                found = self._counted(question, mode, request_in)
            self._rulings[key] = asyncio.ensure_future(found)
        return await self._rulings[key]

    async def _together(
        self, question: JudgePrompt, mode: Mode, request: JudgeRequest, alone: Alone
    ) -> Rulings:
        """One ruling for each of several rules; those that the one reply leaves open, alone."""
        found: dict[str, Ruling] = {}
        try:
            stored = self._asks == "none"
            reply = await (self._stored(request) if stored else self._ask(question, request))
            found = rulings_in(question, mode, reply)
        except Unanswered as error:
            if not error.rejected:  # about one rule it would be no other
                return _unanswered(question, error)
        return [found.get(one.rule) or (await alone(one))[0] for one in question.apart()]

    async def _counted(self, question: JudgePrompt, mode: Mode, request_in: RequestIn) -> Rulings:
        ended = await self._decided(question, OUTPUT_MODES[OUTPUT_MODES.index(mode) :], request_in)
        self.fell.update(ended.modes[1:])
        self.unfounded += ended.ruling.unfounded
        return [ended.ruling]

    async def _decided(
        self, question: JudgePrompt, modes: Sequence[Mode], request_in: RequestIn
    ) -> Ended:
        if self._asks == "new":
            return await decide(question, modes, request_in, partial(self._ask, question))
        known = await decide(question, modes, request_in, self._stored)
        reason = known.ruling.reason
        if self._asks == "none" or reason in (None, "cannot_judge"):
            return known
        again = self._ask if reason == "not_run" else self._ask_server
        return await decide(question, modes, request_in, partial(again, question))

    async def _stored(self, request: JudgeRequest) -> Reply:
        reply = self._store.reply(request.key)
        if reply is None:
            raise Unanswered("not_run", "no reply is stored")
        return reply

    async def _ask(self, question: JudgePrompt, request: JudgeRequest) -> Reply:
        stored = self._store.reply(request.key)
        return stored or await self._ask_server(question, request)

    async def _ask_server(self, question: JudgePrompt, request: JudgeRequest) -> Reply:
        return await self._put(question.rule, question.row, request)

    async def _put(self, rule: str, row: str, request: JudgeRequest) -> Reply:
        try:
            reply = await self._reached().ask(request)
        except Unanswered as error:
            if error.rejected:
                self._store.keep_rejection(request.key, rule, row, error)
            raise
        self._store.keep(request.key, rule, row, reply)
        return reply

    async def _settled(self) -> Mode:
        """The output mode: as stored by an earlier run, or probed."""
        async with self._settling:
            if self.mode is None:
                probe = probe_question(1)
                key = request_of({"mode of": probe.body("plain", self._model, 1)}).key
                stored = self._store.reply(key)
                if stored is not None:
                    self.mode = _MODE.validate_python(stored.text)
                elif self._asks == "none":
                    raise Unanswered("not_run", "no reply is stored")
                else:
                    self.mode = await self._probed()
                    self._store.keep(key, probe.rule, probe.row, Reply(self.mode, "stop"))
            return self.mode

    async def _probed(self) -> Mode:
        server = self._reached()
        return await settle_mode(server.ask, self._model, server.where)

    def _reached(self) -> Server:
        if self._server is None:
            raise ValueError("asks = none asks no server, any other way needs one")
        return self._server


def _unanswered(question: JudgePrompt, error: Unanswered) -> Rulings:
    return [Ruling(None, error.reason, str(error))] * max(1, len(question.about))
