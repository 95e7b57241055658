"""What judging would take: the same walk over the questions, but it counts and asks nothing."""

from collections import Counter
from typing import Literal, NamedTuple

from config.judging import JudgeSettings, Prices
from data.rows import Row
from judge.llm.cache import ReplyCache
from judge.llm.client import BYTES, estimated_tokens
from judge.llm.output_mode import OUTPUT_MODES, probes
from judge.llm.prompt import JudgePrompt, JudgeRequest, Mode
from judge.llm.reask import Ruling
from judge.llm.session import JudgeSession
from prompts.rules import Language, Rule
from wire.client import Unanswered
from wire.completion import Reply


class Plan(NamedTuple):
    """Calls still to be made, re-asks aside; a rule of which nobody knows is taken to be due."""

    probe: bool  # the output mode has to be found out first, by one call or a few
    due: int  # stage A: is the rule due?
    verdicts: int  # stage B: is it obeyed?
    prompt_tokens: int  # estimated
    completion_tokens: int  # at most

    @property
    def calls(self) -> int:
        """All of them, the probe as one."""
        return self.probe + self.due + self.verdicts

    def lines(self, prices: Prices | None) -> list[str]:
        """What a user reads."""
        probe = ", 1 (or a few) to find the output mode" if self.probe else ""
        lines = [
            f"judge: {self.calls} calls at most: {self.due} whether a rule is due, "
            f"{self.verdicts} for verdicts{probe}; re-asks come on top",
            f"tokens: about {self.prompt_tokens} of prompts, estimated as bytes / "
            f"{BYTES}; at most {self.completion_tokens} of replies",
        ]
        if prices is not None:
            cost = prices.cost(self.prompt_tokens, self.completion_tokens)
            lines.append(f"cost: about {cost:.4g}, in the currency of price_per_million")
        return lines


class Planning(JudgeSession):
    """Rulings as far as they are stored; what is not, is counted and not run."""

    def __init__(
        self,
        model: str,
        settings: JudgeSettings,
        language: Language,
        store: ReplyCache,
        asks: Literal["new", "missing"],
    ) -> None:
        super().__init__(model, settings, language, store, None, asks)
        self._calls: Counter[str] = Counter()
        self._prompt_tokens = self._completion_tokens = 0

    @property
    def plan(self) -> Plan:
        """What was counted so far."""
        calls = self._calls
        tokens = self._prompt_tokens, self._completion_tokens
        return Plan(calls["probe"] > 0, calls["applies"], calls["verdict"], *tokens)

    async def due(self, rule: Rule, row: Row) -> Ruling:
        """The stored ruling, or yes."""
        ruling = await super().due(rule, row)
        return Ruling("yes") if ruling.reason == "not_run" else ruling

    async def _ask_server(self, question: JudgePrompt, request: JudgeRequest) -> Reply:
        self._count(question.template, request)
        raise Unanswered("not_run", "counted only")

    async def _probed(self) -> Mode:
        self._count("probe", next(probes(OUTPUT_MODES[0], self._model))[0])
        return OUTPUT_MODES[0]

    def _count(self, what: str, request: JudgeRequest) -> None:
        self._calls[what] += 1
        self._prompt_tokens += estimated_tokens(request)
        self._completion_tokens += request.body["max_tokens"]
