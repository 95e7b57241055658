"""The judge that asks a language model: the rules, or the parts of rules, that code cannot decide.

Stage A asks once per question and rule whether the rule is due, without any answer; stage B asks
once per answer and rule whether it is obeyed. What has no verdict is missing, with a reason.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from pydantic import TypeAdapter

from config.schema import JudgeSettings, ServerSettings
from data.answers import Answer
from data.rows import Row
from judge.applies import applicable, asks_model
from judge.asked import AskedStore, request_key
from judge.checks import (
    Verdictish,
    check_context,
    check_due,
    named,
    normalised_answer,
    unasked,
    without_check,
)
from judge.dialogue import Ruling, decide
from judge.modes import probe_question, settle_mode
from judge.questions import Body, Mode, Question, applies_question, verdict_question
from judge.transport import Patience, Reply, Transport, Unanswered
from judge.verdicts import Verdict
from prompts.library import Prompt
from prompts.rules import DueRule, Judged, RuleFile

_T = TypeVar("_T")
_R = TypeVar("_R")
_MODE: TypeAdapter[Mode] = TypeAdapter(Mode)


class _Case(NamedTuple):
    """One verdict to be found."""

    row: Row
    answer: Answer
    due: DueRule


class LlmJudge:
    """Judges by one server; keeps every reply, so that a second run asks only what is missing."""

    def __init__(  # the constructor is the seam that tests and the pipeline use
        self,
        server: ServerSettings,
        settings: JudgeSettings,
        rules: RuleFile,
        prompt: Prompt,
        store_path: Path,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self._server = server
        self.model = server.model
        self._settings = settings
        self._context = check_context(rules, prompt)
        self._due = [due for due in rules.due_rules() if by_model(due)]
        self._store_path = store_path
        self._patience = patience
        self.mode: Mode | Literal["not asked"] = "not asked"  # until a question needs one
        self.calls = 0  # questions put to the server, the probe's among them

    def verdicts(self, pairs: Sequence[tuple[Row, Answer]]) -> list[Verdict]:
        """A verdict per pair and rule that needs the model, in that order.

        Raises SetupError when key, quota, address or model are wrong, DataError when another
        process judges into the same file.
        """
        cases = [_Case(row, answer, due) for row, answer in pairs for due in self._due]
        return self._asked(cases, self._case)

    def rulings(self, questions: Sequence[Question]) -> list[Ruling]:
        """The rulings on questions of any kind, in that order. Raises as `verdicts` does."""
        return self._asked(questions, lambda question, asking: asking.ruling(question))

    def replies(self, bodies: Sequence[Body]) -> list[Reply | None]:
        """The raw replies to requests, None where none came. Raises as `verdicts` does."""
        return self._asked(bodies, lambda body, asking: asking.reply(body))

    def _asked(
        self, items: Sequence[_T], work: Callable[[_T, "_Asking"], Awaitable[_R]]
    ) -> list[_R]:
        if not items:
            return []
        store = AskedStore(self._store_path)
        try:
            return asyncio.run(self._each(items, work, store))
        finally:
            store.close()

    async def _each(
        self,
        items: Sequence[_T],
        work: Callable[[_T, "_Asking"], Awaitable[_R]],
        store: AskedStore,
    ) -> list[_R]:
        most = self._settings.max_calls
        left = None if most is None else max(0, most - self.calls)
        transport = Transport(self._server, self._patience, left)
        asking = _Asking(self._server.model, self._settings.max_tokens, store, transport)
        try:
            return await _each(items, lambda item: work(item, asking), self._server)
        finally:
            self.mode = asking.mode or self.mode
            self.calls += transport.calls
            await transport.close()

    async def _case(self, case: _Case, asking: "_Asking") -> Verdict:
        found = await self._found(case, asking)
        return named(found, case.due, case.answer).model_copy(update={"by": "llm"})

    async def _found(self, case: _Case, asking: "_Asking") -> Verdictish:
        row, answer, due = case
        arms = self._settings.arms
        ours = arms is None or answer.arm in arms
        if asks_model(due.rule):
            if not ours:
                return Verdictish("missing", "not_run")
            ruling = await asking.ruling(applies_question(due.rule, row))
            if ruling.verdict is None:
                return Verdictish("missing", ruling.reason, f"when due: {ruling.note}")
            applies: bool | None = ruling.verdict == "yes"
        else:
            applies = applicable(due.rule, row)
        if answer.finish == "too_long":
            return unasked(due, applies)
        if not isinstance(due.rule.check, Judged):
            return check_due(due, applies, row, answer.text, self._context)
        said = normalised_answer(answer.text, self._context.normalise)
        early = without_check(due, applies, said)
        if early is not None:
            return early
        if not ours:
            return Verdictish("missing", "not_run")
        return _verdict(due, await asking.ruling(verdict_question(due.rule, row, said)))


def by_model(due: DueRule) -> bool:
    """Whether a language model has a part in the rule's verdicts."""
    return isinstance(due.rule.check, Judged) or asks_model(due.rule)


def _verdict(due: DueRule, ruling: Ruling) -> Verdictish:
    if ruling.verdict is None:
        return Verdictish("missing", ruling.reason, ruling.note)
    obeyed = ruling.verdict == "pass"
    return Verdictish("pass" if obeyed != due.undue else "fail", note=ruling.note)


class _Asking:
    """Asks each different question once, of the store first and then of the server."""

    def __init__(
        self, model: str, max_tokens: int, store: AskedStore, transport: Transport
    ) -> None:
        self._model = model
        self._max_tokens = max_tokens
        self._store = store
        self._transport = transport
        self._rulings: dict[str, asyncio.Task[Ruling]] = {}
        self._settling = asyncio.Lock()
        self.mode: Mode | None = None

    async def ruling(self, question: Question) -> Ruling:
        """The ruling on a question; equal questions under way at once share one request."""
        try:
            mode = await self._settled()
        except Unanswered as error:
            return Ruling(None, error.reason, str(error))
        body = question.body(mode, self._model, self._max_tokens)
        key = request_key(body)
        if key not in self._rulings:
            self._rulings[key] = asyncio.ensure_future(self._decided(question, mode, body))
        return await self._rulings[key]

    async def reply(self, body: Body) -> Reply | None:
        """The raw reply to a request, of the store where it holds one."""
        try:
            found = await self._ask(body)
        except Unanswered:
            return None
        self._store.keep("text", "", [(request_key(body), found)])
        return found

    async def _decided(self, question: Question, mode: Mode, body: Body) -> Ruling:
        ruling, replies = await decide(question, mode, body, self._ask)
        self._store.keep(question.rule, question.row, replies)
        return ruling

    async def _ask(self, body: Body) -> Reply:
        return self._store.reply(request_key(body)) or await self._transport.ask(body)

    async def _settled(self) -> Mode:
        """The output mode: as stored by an earlier run, or probed."""
        async with self._settling:
            if self.mode is None:
                self.mode = await self._stored_or_probed()
            return self.mode

    async def _stored_or_probed(self) -> Mode:
        probe = probe_question(1)
        key = request_key({"mode of": probe.body("plain", self._model, 1)})
        stored = self._store.reply(key)
        if stored is not None:
            return _MODE.validate_python(stored.text)
        mode = await settle_mode(self._transport.ask, self._model, self._transport.where)
        self._store.keep(probe.rule, probe.row, [(key, Reply(mode, "stop"))])
        return mode


async def _each(
    items: Sequence[_T], work: Callable[[_T], Awaitable[_R]], server: ServerSettings
) -> list[_R]:
    """The results in order; the first error ends the rest."""
    results: dict[int, _R] = {}
    waiting = iter(enumerate(items))

    async def worker() -> None:
        for number, item in waiting:
            results[number] = await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(2 * server.concurrency):  # some wait for the gate, none for a worker
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [results[number] for number in range(len(items))]
