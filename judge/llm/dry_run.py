"""The plan of a judge's run: its calls and tokens, counted without asking."""

import json
from collections import Counter

from config.judging import Prices
from judge.llm.reply_source import NotRun
from judge.llm.request import BYTES_PER_TOKEN, CallStage, JudgeRequest
from wire.completion import Reply


class Plan:
    """A reply source that counts the requests and sends none.

    A rule is assumed to apply, and a probe to succeed, so that the counts are upper bounds, but for
    re-asks.
    """

    def __init__(self) -> None:
        self.stages: Counter[CallStage] = Counter()  # calls to come
        self.prompt_tokens = 0  # estimated
        self.completion_tokens = 0  # at most

    @property
    def calls(self) -> int:
        """All calls, the probe as one."""
        return self.stages.total()

    async def reply(self, request: JudgeRequest) -> Reply:
        """The assumed reply. Raises NotRun for a verdict."""
        self.stages[request.stage] += 1
        self.prompt_tokens += request.estimated_tokens
        self.completion_tokens += request.body["max_tokens"]
        assumed = {"probe": "pass", "applies": "yes"}.get(request.stage)
        if assumed is None:
            raise NotRun("counted only")
        if request.mode == "plain":
            return Reply(f"VERDICT: {assumed}", "stop")
        return Reply(json.dumps({"evidence": [], "reasoning": "", "verdict": assumed}), "stop")

    def summary(self, prices: Prices | None) -> list[str]:
        """The lines that a user reads."""
        probe = ", 1 (or a few) to find the output mode" if self.stages["probe"] else ""
        lines = [
            f"judge: {self.calls} calls at most: {self.stages['applies']} whether a rule applies, "
            f"{self.stages['verdict']} for verdicts{probe}; re-asks come on top",
            f"tokens: about {self.prompt_tokens} of prompts, estimated as bytes / "
            f"{BYTES_PER_TOKEN}; at most {self.completion_tokens} of replies",
        ]
        if prices is not None:
            cost = prices.cost(self.prompt_tokens, self.completion_tokens)
            lines.append(f"cost: about {cost:.4g}, in the currency of price_per_million")
        return lines
