"""The plan of a judge's run: its calls and tokens, counted without asking."""

from typing import NamedTuple

from config.judging import Prices
from judge.llm.request import BYTES_PER_TOKEN


class Plan(NamedTuple):
    """Calls to come without re-asks; a rule is assumed to apply where no reply is stored."""

    probe: bool  # whether the output mode must be probed, by one call or a few
    applies: int  # calls that ask whether a rule applies
    verdicts: int  # calls that ask whether rules are obeyed
    prompt_tokens: int  # estimated
    completion_tokens: int  # at most

    @property
    def calls(self) -> int:
        """All calls, the probe as one."""
        return self.probe + self.applies + self.verdicts

    def summary(self, prices: Prices | None) -> list[str]:
        """The lines that a user reads."""
        probe = ", 1 (or a few) to find the output mode" if self.probe else ""
        lines = [
            f"judge: {self.calls} calls at most: {self.applies} whether a rule applies, "
            f"{self.verdicts} for verdicts{probe}; re-asks come on top",
            f"tokens: about {self.prompt_tokens} of prompts, estimated as bytes / "
            f"{BYTES_PER_TOKEN}; at most {self.completion_tokens} of replies",
        ]
        if prices is not None:
            cost = prices.cost(self.prompt_tokens, self.completion_tokens)
            lines.append(f"cost: about {cost:.4g}, in the currency of price_per_million")
        return lines
