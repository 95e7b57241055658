"""The judge's usage of a server, and the check of its budget."""

from dataclasses import dataclass

from config.errors import ConfigError
from config.judging import JudgeSettings, Prices, ServerSettings


@dataclass
class Usage:
    """Calls and tokens of a server so far."""

    prices: Prices | None
    calls: int = 0  # requests, the probe's included; a retry is not a new call
    unasked: int = 0  # requests that the budget prevented
    prompt_tokens: int = 0  # as the server counts them, otherwise estimated
    completion_tokens: int = 0

    @property
    def cost(self) -> float | None:
        """The cost of all replies; None without prices."""
        prices = self.prices
        return prices.cost(self.prompt_tokens, self.completion_tokens) if prices else None


def check_budget(settings: JudgeSettings, server: ServerSettings | None) -> None:
    """Raises ConfigError when the cost is limited and the server has no prices."""
    if settings.max_cost is not None and (server is None or server.price_per_million is None):
        raise ConfigError(
            f"judge.max_cost = {settings.max_cost:g}: the server has no prices; add "
            "judge.llm.price_per_million: {prompt: …, completion: …}, or limit --max-calls"
        )
