"""The judge's way to its server: spends no more than it may, and counts what it spends."""

from dataclasses import dataclass

from config.errors import ConfigError
from config.judging import JudgeSettings, Prices, ServerSettings
from judge.llm.prompt import JudgeRequest
from wire.client import Address, RetryPolicy, ServerClient, Unanswered
from wire.completion import Reply, read_completion

BYTES = 4  # to a token, where nobody has counted: an estimate; a Russian letter has two


@dataclass
class Usage:
    """What was asked of a server, and what it took."""

    prices: Prices | None
    calls: int = 0  # questions put to the server, the probe's among them; a retry is no new call
    unasked: int = 0  # questions that the limits kept from it
    prompt_tokens: int = 0  # as the server counts, or estimated where it does not
    completion_tokens: int = 0

    @property
    def cost(self) -> float | None:
        """What the replies have cost; None when nobody has said what a token costs."""
        prices = self.prices
        return prices.cost(self.prompt_tokens, self.completion_tokens) if prices else None


@dataclass(frozen=True)
class Budget:
    """What may be spent in one go; None: no limit."""

    calls: int | None = None
    cost: float | None = None  # what is under way when it is reached is still paid


def budget_of(settings: JudgeSettings, server: ServerSettings | None) -> Budget:
    """The settings' limits.

    Raises ConfigError when the cost is limited and nobody has said what a token costs.
    """
    if settings.max_cost is not None and (server is None or server.price_per_million is None):
        raise ConfigError(
            f"judge.max_cost = {settings.max_cost:g}: no prices to count with; add "
            "judge.llm.price_per_million: {prompt: …, completion: …}, or limit --max-calls"
        )
    return Budget(settings.max_calls, settings.max_cost)


class Transport:
    """One server behind the judge's limits. To be made and used inside one event loop."""

    def __init__(
        self, server: ServerSettings, patience: RetryPolicy, limits: Budget, spent: Usage
    ) -> None:
        """`spent` goes on counting, and the limits hold for all of it."""
        address = Address(
            "judge.llm",
            server.base_url,
            server.model,
            server.api_key_env,
            server.concurrency,
            server.timeout_s,
        )
        self.where = str(address)
        self._limits = limits
        self._spent = spent
        self._connection = ServerClient(address, patience, read_completion)

    async def close(self) -> None:
        """Closes the connections."""
        await self._connection.close()

    async def ask(self, request: JudgeRequest) -> Reply:
        """The reply to a request. Raises as `ServerClient.ask` does."""
        most = self._limits.calls
        if most is not None and self._spent.calls >= most:
            self._spent.unasked += 1
            raise Unanswered("budget", f"judge.max_calls = {most} are spent")
        self._spent.calls += 1
        try:
            reply = await self._connection.ask(request.data, self._check_cost)
        except Unanswered as error:
            self._spent.calls -= error.unsent
            self._spent.unasked += error.reason == "budget"
            raise
        self._spent.prompt_tokens += reply.prompt_tokens or estimated_tokens(request)
        self._spent.completion_tokens += (
            reply.completion_tokens or len(reply.text.encode()) // BYTES
        )
        return reply

    def _check_cost(self) -> None:
        most = self._limits.cost
        if most is not None and (self._spent.cost or 0.0) >= most:
            raise Unanswered("budget", f"judge.max_cost = {most:g} is spent", unsent=True)


def estimated_tokens(request: JudgeRequest) -> int:
    """Tokens of a request's messages, by their bytes in UTF-8."""
    return sum(len(message["content"].encode()) for message in request.body["messages"]) // BYTES
