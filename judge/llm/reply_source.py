"""Where a judge's replies come from: the cache, or the server within the budget."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from config.console import print
from config.errors import ConfigError, SetupError
from config.judging import JudgeSettings, Prices, ServerSettings
from judge.llm.cache import ReplyCache
from judge.llm.request import BYTES_PER_TOKEN, JudgeRequest
from judge.verdict import Missing
from wire.client import RetryPolicy, ServerClient
from wire.completion import Reply, read_completion
from wire.no_reply import ContentFiltered, ContextOverflow, Forbidden, NoReply, NotSent, Rejected
from wire.token_logprobs import read_with_tokens

_TEMPLATE_TOKENS = 4096  # of a prompt beyond its bytes: a token has one byte at least
_HIDDEN_TOKENS = 131_072  # of reasoning, which some servers count and do not limit

AskPolicy = Literal[
    "new",  # ask the server for replies that are not stored
    "missing",  # also ask again where the stored replies give no verdict
    "none",  # parse the stored replies again; no server is needed
]


class JudgeServer(NamedTuple):
    """A server that judges, and the name of its setting for error lines."""

    server: ServerSettings
    setting: str = "judge.llm"


def judge_servers(settings: JudgeSettings, server: ServerSettings | None) -> list[JudgeServer]:
    """The first server, which may be the embedded model's, and the second one if there is one."""
    servers = [] if server is None else [JudgeServer(server)]
    if servers and settings.second is not None:
        servers.append(JudgeServer(settings.second, "judge.second"))
    return servers


@dataclass
class Usage:
    """Calls and tokens so far, of all servers of a judge."""

    cost: float | None  # of all replies; None: a server has no prices
    calls: int = 0  # requests, the probe's included; a retry is not a new call
    unasked: int = 0  # requests that the budget prevented
    prompt_tokens: int = 0  # as the server counts them, otherwise estimated
    completion_tokens: int = 0
    estimated: int = 0  # replies whose tokens the server counts not at all, or impossibly

    @classmethod
    def of(cls, servers: Sequence[JudgeServer]) -> "Usage":
        """Nothing is used yet."""
        priced = all(server.price_per_million is not None for server, _ in servers)
        return cls(0.0 if priced else None)

    def add(self, prompt_tokens: int, completion_tokens: int, prices: Prices | None) -> None:
        """Counts a reply."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        if self.cost is not None and prices is not None:
            self.cost += prices.cost(prompt_tokens, completion_tokens)


def check_budget(settings: JudgeSettings, server: ServerSettings | None) -> None:
    """Raises ConfigError when the cost is limited and a server has no prices."""
    if settings.max_cost is None:
        return
    servers = judge_servers(settings, server)
    unpriced = [setting for named, setting in servers if named.price_per_million is None]
    if unpriced or not servers:
        raise ConfigError(
            f"judge.max_cost = {settings.max_cost:g}: the server has no prices; add "
            f"{(unpriced or ['judge.llm'])[0]}.price_per_million: {{prompt: …, completion: …}}, or "
            "limit --max-calls"
        )


class NotAsked(NoReply):
    """The judge did not send the request."""


class OverBudget(NotAsked):
    """The budget does not allow another request."""


class NotRun(NotAsked):
    """No reply is stored, and no server may be asked."""


def missing_reason(error: NoReply) -> Missing:
    """The reason of a verdict that is missing because of this error."""
    reasons: dict[type[NoReply], Missing] = {
        OverBudget: "budget",
        NotRun: "not_run",
        ContextOverflow: "overflow",
        ContentFiltered: "refused",
        Forbidden: "refused",
    }
    return reasons.get(type(error), "transport")


class ReplySource(Protocol):
    """Answers requests."""

    async def reply(self, request: JudgeRequest) -> Reply:
        """The reply. Raises NoReply when there is none."""


class CacheOnly:
    """Stored replies, to parse them again."""

    def __init__(self, cache: ReplyCache) -> None:
        self._cache = cache

    async def reply(self, request: JudgeRequest) -> Reply:
        """The stored reply. Raises NotRun, or Rejected as stored."""
        reply = self._cache.reply(request.key)
        if reply is None:
            raise NotRun("no reply is stored")
        return reply


class CacheThenServer:
    """Stored replies, and the server's for requests without one."""

    def __init__(self, cache: ReplyCache, server: ReplySource) -> None:
        self._cache = cache
        self._server = server

    async def reply(self, request: JudgeRequest) -> Reply:
        """The stored reply, or the server's."""
        return self._cache.reply(request.key) or await self._server.reply(request)


class ServerOnly:
    """The server's replies within the budget; stores them when it has a cache.

    Until the server has accepted a request, a rejection may be the set-up's fault: it is stored
    only then, so that the same command asks again after the fix. A rejected probe never is.
    HTTP 403 without words is stored when another request is accepted behind it, or at the end.

    Create, use and close it inside one event loop.
    """

    def __init__(
        self,
        server: JudgeServer,
        policy: RetryPolicy,
        settings: JudgeSettings,
        usage: Usage,
        cache: ReplyCache | None = None,
    ) -> None:
        """`usage` goes on counting, and the budget in the settings limits all of it."""
        settings_of_server, setting = server
        url = settings_of_server.base_url
        read = read_with_tokens if settings.token_probabilities else read_completion
        self._client = ServerClient(setting, url, settings_of_server, policy, read)
        self._setting = setting
        self._prices = settings_of_server.price_per_million
        self._settings = settings
        self._usage = usage
        self._cache = cache
        self._accepted = False
        self._rejections: list[tuple[JudgeRequest, Rejected]] = []  # not stored yet

    async def close(self) -> None:
        """Closes the connections."""
        self._store_rejections()
        await self._client.close()

    async def reply(self, request: JudgeRequest) -> Reply:
        """The server's reply. Raises as `ServerClient.ask`, and OverBudget."""
        usage = self._usage
        self._check_calls()
        usage.calls += 1
        try:
            reply = await self._client.ask(request.data, self._check_cost)
        except (OverBudget, NotSent):
            usage.calls -= 1
            raise
        except Rejected as error:
            if request.stage != "probe":
                self._rejections.append((request, error))
                if not isinstance(error, Forbidden):  # the key may be at fault: see what follows
                    self._store_rejections()
            raise
        except SetupError:
            self._rejections.clear()
            raise
        self._accepted = True
        self._store_rejections()
        self._count(request, reply)
        if self._cache is not None:
            self._cache.add(request, reply)
        return reply

    def _count(self, request: JudgeRequest, reply: Reply) -> None:
        """Counts the tokens of a reply. The first estimate is said."""
        most_prompt = len(request.data) + _TEMPLATE_TOKENS
        most_completion = request.body.get("max_tokens", 0) + _HIDDEN_TOKENS
        prompt = reply.prompt_tokens if reply.prompt_tokens <= most_prompt else 0
        completion = reply.completion_tokens if reply.completion_tokens <= most_completion else 0
        if not prompt or not completion:
            self._usage.estimated += 1
            if self._usage.estimated == 1:
                print(
                    f"{self._setting}: the server states no token counts that can be right (prompt "
                    f"{reply.prompt_tokens}, completion {reply.completion_tokens}; 0: none); they "
                    f"are estimated as bytes / {BYTES_PER_TOKEN}",
                    file=sys.stderr,
                )
        reply_bytes = len((reply.text or reply.reasoning).encode(errors="replace"))
        self._usage.add(
            prompt or request.estimated_tokens,
            completion or reply_bytes // BYTES_PER_TOKEN,
            self._prices,
        )

    def _store_rejections(self) -> None:
        if self._accepted and self._cache is not None:
            for request, error in self._rejections:
                self._cache.add(request, error)
            self._rejections.clear()

    def _check_calls(self) -> None:
        limit = self._settings.max_calls
        if limit is not None and self._usage.calls >= limit:
            self._usage.unasked += 1
            raise OverBudget(f"judge.max_calls = {limit} are spent")

    def _check_cost(self) -> None:
        limit = self._settings.max_cost  # requests in flight are still paid
        if limit is not None and (self._usage.cost or 0.0) >= limit:
            self._usage.unasked += 1
            raise OverBudget(f"judge.max_cost = {limit:g} is spent")
