"""A vLLM server behind the proxy. A request waits while it restarts, and is then sent again."""

from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential_jitter,
)

from wire.proxy import proxy_for

RESTART_S = 300.0  # seconds that a request waits for a server to be there again
_NOT_PASSED_ON = {  # hop by hop (RFC 9110, section 7.6.1), or set anew for the next hop
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
    *("transfer-encoding", "upgrade", "host", "content-length", "content-encoding"),
    "accept-encoding",
}
# the server is away, or went away before the whole answer was there
AWAY = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


class WholeReply(NamedTuple):
    """A response with its body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Upstream:
    """One server. Create, use and close it inside one event loop."""

    def __init__(self, base_url: str, restart_s: float = RESTART_S) -> None:
        """`base_url` without `/v1`."""
        self._base_url = base_url.rstrip("/")
        self._restart_s = restart_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy_for(self._base_url),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0),
            auto_decompress=True,
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def fetch(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> WholeReply:
        """The whole response, sent again where the server goes away. Raises one of AWAY."""
        async for attempt in self._attempts():
            with attempt:
                async with await self._send(method, path, body, headers) as response:
                    text = await response.read()
                    return WholeReply(response.status, passed_headers(response.headers), text)
        raise AssertionError

    async def open(
        self, path: str, body: bytes, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """A response whose body is still to be read. Raises one of AWAY."""
        async for attempt in self._attempts():
            with attempt:
                return await self._send("POST", path, body, headers)
        raise AssertionError

    async def _send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        url = f"{self._base_url}{path}"
        return await self._session.request(
            method, url, data=body or None, headers=passed_headers(headers), allow_redirects=False
        )

    def _attempts(self) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception_type(AWAY),
            wait=wait_exponential_jitter(multiplier=0.05, max=1.0),
            stop=stop_after_delay(self._restart_s),
            reraise=True,
        )


def passed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a proxy passes on."""
    return {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}
