"""One run of the judge: each request is made once, however many verdicts depend on it.

A call about several rules is made once and never repeated: a rule without a valid ruling in the
reply is asked about alone, so that the other verdicts stay as they are.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from config.errors import SetupError
from config.judging import JudgeSettings
from data.rows import Row
from judge.llm.cache import ReplyCache
from judge.llm.output_mode import mode_request, settle_mode
from judge.llm.prompt import JudgePrompt, applies_prompt
from judge.llm.reask import Ruling, ask_until_valid, rulings_in
from judge.llm.reply_source import CacheOnly, JudgeServer, ReplySource, missing_reason
from judge.llm.request import (
    OUTPUT_MODES,
    Body,
    JudgeRequest,
    Mode,
    RequestSettings,
    build_request,
)
from prompts.rules import Language, Rule
from wire.completion import Reply
from wire.no_reply import NoReply, Rejected

Rulings = Sequence[Ruling]  # one per rule of a prompt; one for a pair


class JudgeSession:
    """Rulings of one model. Use it inside one event loop."""

    def __init__(
        self,
        server: JudgeServer,
        settings: JudgeSettings,
        language: Language,
        cache: ReplyCache,
        source: ReplySource,
        retry: ReplySource | None = None,
    ) -> None:
        """With `retry`, prompts whose stored replies give no verdict are asked there again."""
        self._server = server
        self.model = server.server.model
        self._settings = settings
        self._language = language
        self._cache = cache
        self._source = source
        self._retry = retry
        self._rulings: dict[str, asyncio.Task[Rulings]] = {}  # by request
        self._mode_lock = asyncio.Lock()
        self._setup_error: SetupError | None = None  # repeated to every prompt that waits
        self.mode: Mode | None = None  # until a prompt needs it
        self.fallbacks: Counter[Mode] = Counter()  # prompts that fell back to each mode
        self.unfounded = 0  # rulings that quote text which is not in the data
        self.contradictory = 0  # passes whose reasoning says fail

    async def applies(self, rule: Rule, row: Row) -> Ruling:
        """Whether a rule applies to a row: greedy, and asked once for all answers."""
        (ruling,) = await self.sample(applies_prompt(rule, row, self._language), 0.0, 0)
        return ruling

    async def rulings(self, prompt: JudgePrompt) -> list[Ruling]:
        """Per rule, the majority of as many samples as the settings demand."""
        must = any(rule.severity == "must" for rule in prompt.rules)
        samples: list[Rulings] = []
        for number in range(self._settings.samples_of(must)):
            samples += [await self.sample(prompt, self._settings.temperature, number)]
        return [majority(of_rule) for of_rule in zip(*samples, strict=True)]

    async def sample(self, prompt: JudgePrompt, temperature: float, number: int) -> Rulings:
        """One ruling per rule. Equal requests share one call, also while it is in flight."""
        try:
            mode = self.mode or await self._settle_mode()
        except NoReply as error:
            return _missing(prompt, error)
        server, tokens = self._server.server, self._settings.token_probabilities
        settings = RequestSettings(
            mode, server.model, self._settings.max_tokens, temperature, number, server, tokens
        )
        request = prompt.request(settings)
        if request.key not in self._rulings:
            ask = self._ask_together if len(prompt.rules) > 1 else self._ask_alone
            self._rulings[request.key] = asyncio.ensure_future(ask(prompt, settings, request))
        return await self._rulings[request.key]

    async def reply(self, body: Body) -> Reply | None:
        """The raw reply to any request; None: there is none."""
        try:
            reply = await self._source.reply(build_request(body, self._server.server))
        except NoReply:
            return None
        return reply if reply.is_storable else None

    async def _ask_together(
        self, prompt: JudgePrompt, settings: RequestSettings, request: JudgeRequest
    ) -> Rulings:
        """Rulings on several rules from one reply; rules without a valid one are asked alone."""
        valid: dict[str, Ruling] = {}
        try:
            valid = rulings_in(prompt, settings.mode, await self._source.reply(request))
            self.contradictory += sum(ruling.contradictory for ruling in valid.values())
        except Rejected:
            pass  # a prompt about one rule may still be accepted
        except NoReply as error:
            return _missing(prompt, error)
        rulings: list[Ruling] = []
        for rule in prompt.rules:
            ruling = valid.get(rule.id)
            if ruling is None:
                alone = replace(prompt, rules=(rule,))
                (ruling,) = await self.sample(alone, settings.temperature, settings.sample)
            rulings.append(ruling)
        return rulings

    async def _ask_alone(
        self, prompt: JudgePrompt, settings: RequestSettings, request: JudgeRequest
    ) -> Rulings:
        stored = CacheOnly(self._cache) if self._retry else self._source
        ruling = await ask_until_valid(prompt, settings, request, stored)
        if self._retry and ruling.verdict is None and ruling.reason != "cannot_judge":
            source = self._source if ruling.reason == "not_run" else self._retry
            ruling = await ask_until_valid(prompt, settings, request, source)
        self.fallbacks.update(ruling.fallbacks)
        self.unfounded += ruling.unfounded
        self.contradictory += ruling.contradictory
        return [ruling]

    async def _settle_mode(self) -> Mode:
        """The output mode: stored by an earlier run, or probed."""
        async with self._mode_lock:
            if self._setup_error is not None:
                raise self._setup_error
            if self.mode is None:
                request = mode_request(self._server.server, self._settings.token_probabilities)
                stored = self._cache.reply(request.key)
                if stored is not None:
                    self.mode = OUTPUT_MODES[OUTPUT_MODES.index(stored.text)]
                else:
                    self.mode = await self._probed_mode()
                    self._cache.add(request, Reply(self.mode, "stop"))
            return self.mode

    async def _probed_mode(self) -> Mode:
        try:
            settings = self._settings
            return await settle_mode(
                self._source, self._server, settings.max_tokens, settings.token_probabilities
            )
        except SetupError as error:
            self._setup_error = error
            raise


def majority(samples: Sequence[Ruling]) -> Ruling:
    """The ruling of most samples: missing unless more than half are decided, `tie` when equal.

    With too few decided, the reason is the most frequent one of the others, the first of equals.
    """
    if len(samples) == 1:
        return samples[0]
    votes = Counter(sample.verdict for sample in samples if sample.verdict is not None)
    if 2 * votes.total() <= len(samples):
        undecided = [sample for sample in samples if sample.verdict is None]
        reason = Counter(sample.reason for sample in undecided).most_common(1)[0][0]
        first = next(sample for sample in undecided if sample.reason == reason)
        return first._replace(note=f"{votes.total()} of {len(samples)} decided; {first.note}")
    (verdict, count), *others = votes.most_common()
    if others and others[0][1] == count:
        return Ruling(None, "tie", f"{count} of {len(samples)} samples on either side")
    first = next(sample for sample in samples if sample.verdict == verdict)
    return first._replace(note=f"{count} of {len(samples)}; {first.note}")


def _missing(prompt: JudgePrompt, error: NoReply) -> Rulings:
    ruling = Ruling(None, missing_reason(error), str(error))
    return [ruling] * max(1, len(prompt.rules))
