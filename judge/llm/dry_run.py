"""The plan of a judge's run: its calls and tokens, counted without asking."""

import json
from collections import Counter

from config.judging import Prices
from judge.llm.reply_source import NotRun
from judge.llm.request import BYTES_PER_TOKEN, CallStage, JudgeRequest
from wire.completion import Reply, TokenLogprobs


class Plan:
    """Calls and tokens to come, of all servers of a judge."""

    def __init__(self) -> None:
        self.cost: float | None = 0.0  # None: a server that is asked has no prices
        self.stages: Counter[CallStage] = Counter()  # calls to come
        self.prompt_tokens = 0  # estimated
        self.completion_tokens = 0  # at most

    @property
    def calls(self) -> int:
        """All calls, the probe as one."""
        return self.stages.total()

    def add(self, request: JudgeRequest, prices: Prices | None) -> None:
        """Counts a request."""
        prompt_tokens, completion_tokens = request.estimated_tokens, request.body["max_tokens"]
        self.stages[request.stage] += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        if prices is None or self.cost is None:
            self.cost = None
        else:
            self.cost += prices.cost(prompt_tokens, completion_tokens)

    def summary(self) -> list[str]:
        """The lines that a user reads."""
        probe = ", 1 (or a few) to find the output mode" if self.stages["probe"] else ""
        lines = [
            f"judge: {self.calls} calls at most: {self.stages['applies']} whether a rule applies, "
            f"{self.stages['verdict']} for verdicts{probe}; re-asks come on top",
            f"tokens: about {self.prompt_tokens} of prompts, estimated as bytes / "
            f"{BYTES_PER_TOKEN}; at most {self.completion_tokens} of replies",
        ]
        if self.calls and self.cost is not None:
            lines.append(f"cost: about {self.cost:.4g}, in the currency of price_per_million")
        return lines


class PlannedReplies:
    """A reply source that counts the requests to one server in a plan, and sends none.

    A rule is assumed to apply, and a probe to succeed, so that the counts are upper bounds, but for
    re-asks.
    """

    def __init__(self, plan: Plan, prices: Prices | None) -> None:
        self._plan = plan
        self._prices = prices

    async def reply(self, request: JudgeRequest) -> Reply:
        """The assumed reply. Raises NotRun for a verdict."""
        self._plan.add(request, self._prices)
        assumed = {"probe": "pass", "applies": "yes"}.get(request.stage)
        if assumed is None:
            raise NotRun("counted only")
        text = f"VERDICT: {assumed}"
        if request.mode != "plain":
            text = json.dumps({"evidence": [], "reasoning": "", "verdict": assumed})
        return Reply(text, "stop", tokens=(TokenLogprobs(assumed, ((assumed, 0.0),)),))
