"""The judge that asks a language model: rules, or parts of rules, that code cannot decide.

Asks once per row and rule whether the rule applies, without any answer; then once per answer and
rule, or once for several rules, whether it is obeyed. Without a ruling the verdict is missing, with
a reason.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from config.judging import JudgeSettings, ServerSettings
from data.answers import Answer
from data.records import digest
from data.rows import Row
from judge.checks.applicability import applicable, asks_model, by_model
from judge.checks.check import (
    check_applied,
    check_context,
    normalised_answer,
    verdict_on,
    verdict_without_check,
)
from judge.llm.cache import ReplyCache
from judge.llm.dry_run import Plan, PlannedReplies
from judge.llm.pool import map_concurrently
from judge.llm.prompt import JudgePrompt, verdicts_prompt
from judge.llm.reask import Ruling
from judge.llm.reply_source import (
    AskPolicy,
    CacheOnly,
    CacheThenServer,
    JudgeServer,
    ReplySource,
    ServerOnly,
    Usage,
    check_budget,
    judge_servers,
)
from judge.llm.request import Body, Mode
from judge.llm.rule_batches import rule_batches
from judge.llm.session import JudgeSession
from judge.llm.two_judges import RulingSource, TwoJudges
from judge.verdict import Judged, Verdict
from prompts.check_settings import LlmCheck
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile, ScoredRule
from wire.client import RetryPolicy
from wire.completion import Reply

_T = TypeVar("_T")
_R = TypeVar("_R")

AnswerPairs = Sequence[tuple[Row, Answer]]  # each row with just the passages its answer was given


class _Case(NamedTuple):
    """The verdicts on one answer that are asked for together."""

    pair: int  # number of the answer
    row: Row  # as the answer's author saw it
    shared_row: Row  # the same for all answers, to ask once whether a rule applies
    answer: Answer
    rules: Sequence[ScoredRule]


class LlmJudge:
    """Judges by one server. Every reply is cached, so a second run asks only for what is new."""

    def __init__(  # the constructor is the seam that tests and the pipeline use
        self,
        server: ServerSettings,
        settings: JudgeSettings,
        rules: RuleFile,
        prompt: Prompt,
        cache_path: Path,
        policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
    ) -> None:
        """The budget limits all that this judge asks, by whichever method.

        Raises ConfigError when the cost is limited and the server has no prices.
        """
        check_budget(settings, server)
        self._servers = judge_servers(settings, server)
        self.model = server.model
        self.request_changes = server.changes  # of every request, by the settings
        self.rules_per_call = settings.rules_per_call
        self.temperature = settings.temperature
        self.samples = f"{settings.samples_of(must=True)}, {settings.samples_of(must=False)}"
        self.max_tokens = settings.max_tokens
        self._settings = settings
        self.language = rules.language
        self._context = check_context(rules, prompt)
        self._rules = [scored for scored in rules.scored_rules() if by_model(scored)]
        self._batches = rule_batches(self._rules, settings)
        self._cache_path = cache_path
        self._policy = policy
        self._workers = 2 * server.concurrency  # more than request slots, so that no slot idles
        self.mode: Mode | Literal["not asked"] = "not asked"  # until a prompt needs it
        self.second = settings.second.model if settings.second else ""
        self.second_mode: Mode | Literal["not asked", ""] = "not asked" if self.second else ""
        self.token_probabilities = settings.token_probabilities
        self.fallbacks: Counter[Mode] = Counter()  # prompts that fell back to each mode
        self.unfounded = 0  # rulings that quote text which is not in the data
        self.contradictory = 0  # passes whose reasoning says fail
        self.usage = Usage.of(self._servers)

    @property
    def second_identity(self) -> str:
        """The second model as a fingerprint names it; empty without one."""
        if not self.second:
            return ""
        changes = self._servers[1].server.changes
        return f"{self.second} ({self.second_mode}){' ' + digest(changes) if changes else ''}"

    def verdicts(self, pairs: AnswerPairs, asks: AskPolicy = "new") -> list[Verdict]:
        """A verdict per pair and rule that needs the model, in that order.

        Raises SetupError when key, quota, address or model are wrong, DataError when another
        process judges into the same file.
        """
        cases = self._cases(pairs)
        judged = asyncio.run(self._map(cases, self._case_verdicts, asks))
        by_place = {
            (case.pair, verdict.rule): verdict
            for case, verdicts in zip(cases, judged, strict=True)
            for verdict in verdicts
        }
        return [by_place[pair, rule.id] for pair in range(len(pairs)) for rule in self._rules]

    def rulings(self, prompts: Sequence[JudgePrompt]) -> list[Ruling]:
        """The rulings on prompts about one thing each. Raises as `verdicts` does."""
        rulings = asyncio.run(self._map(prompts, lambda session, prompt: session.rulings(prompt)))
        return [ruling for (ruling,) in rulings]

    def repeats(
        self, prompts: Sequence[JudgePrompt], temperature: float, times: int
    ) -> list[list[Ruling]]:
        """`times` independent rulings on each such prompt. Raises as `verdicts` does."""
        numbered = [(prompt, number) for prompt in prompts for number in range(times)]
        samples = self._map(numbered, lambda session, it: session.sample(it[0], temperature, it[1]))
        rulings = [ruling for (ruling,) in asyncio.run(samples)]
        return [rulings[start : start + times] for start in range(0, len(rulings), times)]

    def replies(self, bodies: Sequence[Body]) -> list[Reply | None]:
        """The raw replies to requests, None where there is none. Raises as `verdicts` does."""
        return asyncio.run(self._map(bodies, lambda session, body: session.reply(body)))

    def plan(self, pairs: AnswerPairs, asks: Literal["new", "missing"] = "new") -> Plan:
        """The calls that `verdicts` would make. Asks nothing and writes nothing."""
        cache, plan = ReplyCache(self._cache_path, writable=False), Plan()
        sessions = []
        for named in self._servers:
            planned = PlannedReplies(plan, named.server.price_per_million)
            sessions.append(self._session(named, cache, planned, asks))
        work = partial(self._case_verdicts, _together(sessions))
        asyncio.run(map_concurrently(self._cases(pairs), work, self._workers))
        return plan

    async def _map(
        self,
        items: Sequence[_T],
        work: Callable[[RulingSource, _T], Awaitable[_R]],
        asks: AskPolicy = "new",
    ) -> list[_R]:
        """The results of the work on each item, in one session."""
        if not items:
            return []
        async with AsyncExitStack() as stack:
            cache = ReplyCache(self._cache_path, writable=asks != "none")
            stack.callback(cache.close)
            sessions = []
            for named in self._servers:
                server = None
                if asks != "none":
                    server = ServerOnly(named, self._policy, self._settings, self.usage, cache)
                    stack.push_async_callback(server.close)
                sessions.append(self._session(named, cache, server, asks))
            work_of_all = partial(work, _together(sessions))
            try:
                return await map_concurrently(items, work_of_all, self._workers)
            finally:
                self._record(sessions)

    def _record(self, sessions: Sequence[JudgeSession]) -> None:
        self.mode = sessions[0].mode or self.mode
        if self.second:
            self.second_mode = sessions[1].mode or self.second_mode
        for session in sessions:
            self.fallbacks += session.fallbacks
            self.unfounded += session.unfounded
            self.contradictory += session.contradictory

    def _session(
        self, named: JudgeServer, cache: ReplyCache, server: ReplySource | None, asks: AskPolicy
    ) -> JudgeSession:
        """Rulings from stored replies, and from the server if there is one."""
        source = CacheOnly(cache) if server is None else CacheThenServer(cache, server)
        retry = server if asks == "missing" else None
        return JudgeSession(named, self._settings, self.language, cache, source, retry)

    def _cases(self, pairs: AnswerPairs) -> list[_Case]:
        """All cases, row by row, for the server's prefix cache and ours."""
        shared: dict[str, Row] = {}  # with just the passages that every author saw
        for row, _ in pairs:
            known = shared.setdefault(row.id, row)
            if len(row.contexts) < len(known.contexts):
                shared[row.id] = row
        order = {row: place for place, row in enumerate(shared)}
        by_row = sorted(enumerate(pairs), key=lambda numbered: order[numbered[1][0].id])
        return [
            _Case(pair, row, shared[row.id], answer, rules)
            for pair, (row, answer) in by_row
            for rules in self._batches
        ]

    async def _case_verdicts(self, session: RulingSource, case: _Case) -> list[Verdict]:
        text = normalised_answer(case.answer.text, self._context.normalise)
        verdicts: list[Verdict | None] = []
        for scored in case.rules:
            verdicts.append(await self._verdict_without_call(session, case, scored, text))
        open_rules = [
            scored.rule for scored, verdict in zip(case.rules, verdicts, strict=True) if not verdict
        ]
        if open_rules:
            prompt = verdicts_prompt(open_rules, case.row, text, self.language)
            rulings = enumerate(await session.rulings(prompt))
        return [
            verdict or _verdict(case.answer, scored, *next(rulings))
            for scored, verdict in zip(case.rules, verdicts, strict=True)
        ]

    async def _verdict_without_call(
        self, session: RulingSource, case: _Case, scored: ScoredRule, text: str
    ) -> Verdict | None:
        """The verdict that needs no prompt about the answer; None when it needs one."""
        row, answer = case.row, case.answer
        arms = self._settings.arms
        is_judged = arms is None or answer.arm in arms
        if asks_model(scored.rule):
            if not is_judged:
                return verdict_on(answer, scored, "missing", "not_run")
            ruling = await session.applies(scored.rule, case.shared_row)
            if ruling.verdict is None:
                note = f"when due: {ruling.note}"
                return verdict_on(answer, scored, "missing", ruling.reason, note)
            applies: bool | None = ruling.verdict == "yes"
        else:
            applies = applicable(scored.rule, row)
        if not isinstance(scored.rule.check, LlmCheck):
            return check_applied(scored, applies, row, answer, self._context)
        verdict = verdict_without_check(scored, applies, answer, text)
        if verdict is None and not is_judged:
            return verdict_on(answer, scored, "missing", "not_run")
        return verdict


def _together(sessions: Sequence[JudgeSession]) -> RulingSource:
    return sessions[0] if len(sessions) == 1 else TwoJudges(*sessions)


def _verdict(answer: Answer, scored: ScoredRule, place: int, ruling: Ruling) -> Verdict:
    if ruling.verdict is None:
        verdict = verdict_on(answer, scored, "missing", ruling.reason, ruling.note)
    else:
        verdict = verdict_on(answer, scored, _outcome(ruling.verdict, scored), note=ruling.note)
    if ruling.judges is None and ruling.probability is None and not place:
        return verdict
    details: dict[str, object] = {"probability": ruling.probability, "place": place}
    if ruling.probability is not None and scored.converse:
        details["probability"] = 1 - ruling.probability
    if ruling.judges is not None:
        details["judges"] = tuple(_outcome(word, scored) for word in ruling.judges)
    return verdict.model_copy(update=details)


def _outcome(word: str, scored: ScoredRule) -> Judged:
    return "pass" if (word == "pass") != scored.converse else "fail"
