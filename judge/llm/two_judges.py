"""Two models that judge the same prompts: a ruling stands where they agree."""

import asyncio
from typing import Protocol

from data.rows import Row
from judge.llm.prompt import JudgePrompt
from judge.llm.reask import Ruling
from judge.llm.request import Body
from judge.llm.session import JudgeSession, Rulings
from prompts.rules import Rule
from wire.completion import Reply


class RulingSource(Protocol):
    """Rules on prompts within one run: one model, or two."""

    async def applies(self, rule: Rule, row: Row) -> Ruling:
        """Whether a rule applies to a row."""

    async def rulings(self, prompt: JudgePrompt) -> list[Ruling]:
        """A ruling per rule."""

    async def sample(self, prompt: JudgePrompt, temperature: float, number: int) -> Rulings:
        """One of several rulings per rule."""

    async def reply(self, body: Body) -> Reply | None:
        """The raw reply to any request; None: there is none."""


class TwoJudges:
    """Asks both models at once. A raw reply is of the first one."""

    def __init__(self, first: JudgeSession, second: JudgeSession) -> None:
        self._sessions = first, second

    async def applies(self, rule: Rule, row: Row) -> Ruling:
        """As `JudgeSession.applies`, where both agree."""
        first, second = await asyncio.gather(*(s.applies(rule, row) for s in self._sessions))
        return self._agreed(first, second)

    async def rulings(self, prompt: JudgePrompt) -> list[Ruling]:
        """As `JudgeSession.rulings`, where both agree."""
        first, second = await asyncio.gather(*(s.rulings(prompt) for s in self._sessions))
        return list(map(self._agreed, first, second))

    async def sample(self, prompt: JudgePrompt, temperature: float, number: int) -> Rulings:
        """As `JudgeSession.sample`, where both agree."""
        samples = (s.sample(prompt, temperature, number) for s in self._sessions)
        first, second = await asyncio.gather(*samples)
        return list(map(self._agreed, first, second))

    async def reply(self, body: Body) -> Reply | None:
        """As `JudgeSession.reply`."""
        return await self._sessions[0].reply(body)

    def _agreed(self, first: Ruling, second: Ruling) -> Ruling:
        """The ruling of both; missing where one of them is, or where they disagree."""
        rulings = first, second
        models = [session.model for session in self._sessions]
        for model, ruling in zip(models, rulings, strict=True):
            if ruling.verdict is None:
                return ruling._replace(note=f"{model}: {ruling.note}")
        judges = str(first.verdict), str(second.verdict)
        if first.verdict != second.verdict:
            pairs = zip(models, rulings, strict=True)
            note = "; ".join(f"{model} says {r.verdict}: {r.note}" for model, r in pairs)
            return Ruling(None, "disagreement", note, judges=judges)
        probability = None
        if first.probability is not None and second.probability is not None:
            probability = (first.probability + second.probability) / 2
        unfounded = first.unfounded or second.unfounded
        return first._replace(judges=judges, probability=probability, unfounded=unfounded)
