"""The judge that asks a language model: the rules, or the parts of rules, that code cannot decide.

Stage A asks once per question and rule whether the rule is due, without any answer; stage B asks
once per answer and rule whether it is obeyed, or once for several rules (`judge.batches`). What has
no verdict is missing, with a reason.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from config.judging import JudgeSettings, ServerSettings
from config.progress import ProgressBar
from data.answers import Answer
from data.rows import Row
from judge.batches import batches
from judge.checks.applicability import applicable, asks_model, by_model
from judge.checks.check import (
    check_applied,
    check_context,
    normalised_answer,
    verdict_on,
    verdict_without_check,
)
from judge.garbage import rarely_collected
from judge.llm.cache import ReplyCache
from judge.llm.client import Transport, Usage, budget_of
from judge.llm.dry_run import Plan, Planning
from judge.llm.prompt import Body, JudgePrompt, Mode
from judge.llm.reask import Ruling
from judge.llm.session import Asks, JudgeSession
from judge.verdict import Outcome, Verdict
from prompts.check_settings import LlmCheck
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile, ScoredRule
from wire.client import RetryPolicy
from wire.completion import Reply

_T = TypeVar("_T")
_R = TypeVar("_R")

Pairs = Sequence[tuple[Row, Answer]]


class _Case(NamedTuple):
    """The verdicts on one answer that are asked for together."""

    pair: int  # which answer it is
    row: Row  # as the answer's author saw it
    shared: Row  # as stage A sees it: the same for all answers
    answer: Answer
    batch: Sequence[ScoredRule]


class LlmJudge:
    """Judges by one server; keeps every reply, so that a second run asks only what is not there."""

    def __init__(  # the constructor is the seam that tests and the pipeline use
        self,
        server: ServerSettings,
        settings: JudgeSettings,
        rules: RuleFile,
        prompt: Prompt,
        store_path: Path,
        patience: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
    ) -> None:
        """The limits hold for all that is asked of this judge, whichever way.

        Raises ConfigError when the cost is limited and the server has no prices.
        """
        self._server = server
        self.model = server.model
        self._settings = settings
        self._limits = budget_of(settings, server)
        self.language = rules.language
        self._context = check_context(rules, prompt)
        self._due = [due for due in rules.scored_rules() if by_model(due)]
        self._batches = batches(self._due, settings)
        self._store_path = store_path
        self._patience = patience
        self.mode: Mode | Literal["not asked"] = "not asked"  # until a question needs one
        self.fell: Counter[Mode] = Counter()  # questions that a stricter mode failed, by mode
        self.unfounded = 0  # rulings that rest on evidence which is not in the data
        self.spent = Usage(server.price_per_million)

    def verdicts(self, pairs: Pairs, asks: Asks = "new") -> list[Verdict]:
        """A verdict per pair and rule that needs the model, in that order.

        Raises SetupError when key, quota, address or model are wrong, DataError when another
        process judges into the same file.
        """
        cases = self._cases(pairs)
        found = self._asked(cases, lambda asking: self._all(cases, asking), asks)
        together = zip(cases, found, strict=True)
        by_place = {(case.pair, one.rule): one for case, verdicts in together for one in verdicts}
        return [by_place[pair, due.id] for pair in range(len(pairs)) for due in self._due]

    def rulings(self, questions: Sequence[JudgePrompt]) -> list[Ruling]:
        """The rulings on questions about one thing each. Raises as `verdicts` does."""
        found = self._asked(questions, lambda asking: self._each(questions, asking.rulings))
        return [ruling for (ruling,) in found]

    def repeats(
        self, questions: Sequence[JudgePrompt], temperature: float, times: int
    ) -> list[list[Ruling]]:
        """So many independent rulings on each such question. Raises as `verdicts` does."""
        asked = [(question, number) for question in questions for number in range(times)]
        found = self._asked(
            asked,
            lambda asking: self._each(
                asked, lambda one: asking.sampled(one[0], temperature, one[1])
            ),
        )
        rulings = [ruling for (ruling,) in found]
        return [rulings[place : place + times] for place in range(0, len(rulings), times)]

    def replies(self, bodies: Sequence[Body]) -> list[Reply | None]:
        """The raw replies to requests, None where none came. Raises as `verdicts` does."""
        return self._asked(bodies, lambda asking: self._each(bodies, asking.reply))

    def plan(self, pairs: Pairs, asks: Literal["new", "missing"] = "new") -> Plan:
        """The calls that `verdicts` would make. Asks nothing and writes nothing."""
        store = ReplyCache(self._store_path, writable=False)
        planning = Planning(self.model, self._settings, self.language, store, asks)
        asyncio.run(self._all(self._cases(pairs), planning))
        return planning.plan

    def _cases(self, pairs: Pairs) -> list[_Case]:
        """A row at a time, for the server's prefix cache and ours."""
        shared: dict[str, Row] = {}  # with just the passages that every author saw
        for row, _ in pairs:
            known = shared.setdefault(row.id, row)
            if len(row.contexts) < len(known.contexts):
                shared[row.id] = row
        place = {row: number for number, row in enumerate(shared)}
        return [
            _Case(pair, row, shared[row.id], answer, batch)
            for pair, (row, answer) in sorted(
                enumerate(pairs), key=lambda numbered: place[numbered[1][0].id]
            )
            for batch in self._batches
        ]

    def _asked(
        self,
        items: Sequence[object],
        work: Callable[[JudgeSession], Awaitable[list[_R]]],
        asks: Asks = "new",
    ) -> list[_R]:
        """What the work returns; without items there is nothing to open or to ask."""
        if not items:
            return []
        store = ReplyCache(self._store_path, writable=asks != "none")
        try:
            with rarely_collected():
                return asyncio.run(self._done(work, store, asks))
        finally:
            store.close()

    async def _done(
        self, work: Callable[[JudgeSession], Awaitable[list[_R]]], store: ReplyCache, asks: Asks
    ) -> list[_R]:
        none = asks == "none"
        transport = (
            None if none else Transport(self._server, self._patience, self._limits, self.spent)
        )
        asking = JudgeSession(self.model, self._settings, self.language, store, transport, asks)
        try:
            return await work(asking)
        finally:
            self.mode = asking.mode or self.mode
            self.fell += asking.fell
            self.unfounded += asking.unfounded
            if transport is not None:
                await transport.close()

    async def _all(self, cases: Sequence[_Case], asking: JudgeSession) -> list[list[Verdict]]:
        return await self._each(cases, lambda case: self._verdicts(case, asking))

    async def _each(self, items: Sequence[_T], work: Callable[[_T], Awaitable[_R]]) -> list[_R]:
        return await _each(items, work, 2 * self._server.concurrency)

    async def _verdicts(self, case: _Case, asking: JudgeSession) -> list[Verdict]:
        said = normalised_answer(case.answer.text, self._context.normalise)
        early = [(scored, await self._early(case, scored, said, asking)) for scored in case.batch]
        left = [scored.rule for scored, verdict in early if verdict is None]
        rulings = iter(await asking.verdicts(left, case.row, said) if left else ())
        return [
            verdict or _verdict(case.answer, scored, next(rulings)) for scored, verdict in early
        ]

    async def _early(
        self, case: _Case, scored: ScoredRule, text: str, session: JudgeSession
    ) -> Verdict | None:
        """The verdict that needs no question about the answer; None when it needs one."""
        row, answer = case.row, case.answer
        arms = self._settings.arms
        is_judged = arms is None or answer.arm in arms
        if asks_model(scored.rule):
            if not is_judged:
                return verdict_on(answer, scored, "missing", "not_run", by="llm")
            ruling = await session.due(scored.rule, case.shared)
            if ruling.verdict is None:
                note = f"when due: {ruling.note}"
                return verdict_on(answer, scored, "missing", ruling.reason, note, by="llm")
            applies: bool | None = ruling.verdict == "yes"
        else:
            applies = applicable(scored.rule, row)
        if not isinstance(scored.rule.check, LlmCheck):
            return check_applied(scored, applies, row, answer, self._context, by="llm")
        early = verdict_without_check(scored, applies, answer, text, by="llm")
        if early is None and not is_judged:
            return verdict_on(answer, scored, "missing", "not_run", by="llm")
        return early


def _verdict(answer: Answer, scored: ScoredRule, ruling: Ruling) -> Verdict:
    if ruling.verdict is None:
        return verdict_on(answer, scored, "missing", ruling.reason, ruling.note, by="llm")
    obeyed = ruling.verdict == "pass"
    outcome: Outcome = "pass" if obeyed != scored.converse else "fail"
    return verdict_on(answer, scored, outcome, note=ruling.note, by="llm")


async def _each(items: Sequence[_T], work: Callable[[_T], Awaitable[_R]], workers: int) -> list[_R]:
    """The results in order, with a progress bar; the first error ends the rest."""
    results: dict[int, _R] = {}
    waiting = iter(enumerate(items))
    # a second of grace: what is stored is there at once and needs no bar
    bar = ProgressBar("judge", " questions", len(items), delay_s=1.0)

    async def worker() -> None:
        for place, item in waiting:
            results[place] = await work(item)
            bar.update()

    try:
        with bar:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(workers, len(items))):  # some wait for the gate, none for work
                    group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [results[place] for place in range(len(items))]
