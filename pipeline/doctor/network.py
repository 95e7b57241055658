"""Whether the model hub and the servers of the settings can be reached; within seconds.

A server is asked for its list of models, which costs nothing.
"""

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from config.backends import OpenAiBackend
from config.judging import ServerSettings
from pipeline.doctor.finding import Finding
from wire.proxy import proxy_for

_TIMEOUT_S = 2.0  # of a connection
_GIVE_UP_S = 3.0  # looking up a name may take longer than any timeout of a socket
_MOST_BYTES = 2**20  # of a list of models
_SHOWN_MODELS = 4
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


class UrlReply(NamedTuple):
    """What a server said; `status` 0: it was not reached, and `body` says why."""

    status: int
    body: str


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would be sent the key, too."""

    def redirect_request(self, *_arguments: Any, **_names: Any) -> None:
        """None: the redirect itself is the reply."""
        return None


def ask_url(url: str, key: str | None = None, timeout_s: float = _TIMEOUT_S) -> UrlReply:
    """The reply to GET `url`, through the proxy of the environment."""
    proxy = proxy_for(url)
    proxies = {} if proxy is None else {url.split(":", 1)[0]: proxy}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies), _NoRedirect)
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    try:
        request = urllib.request.Request(url, headers=headers)
        with opener.open(request, timeout=timeout_s) as response:
            return UrlReply(response.status, response.read(_MOST_BYTES).decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        return UrlReply(error.code, "")
    except (OSError, ValueError, HTTPException) as error:
        cause = getattr(error, "reason", None) or error
        return UrlReply(0, str(getattr(cause, "strerror", None) or cause)[:100])


def in_parallel(checks: Sequence[Callable[[], Finding]]) -> Callable[[], list[Finding]]:
    """Starts the checks; the returned function waits for their findings, in their order.

    A check that takes longer than _GIVE_UP_S is given up.
    """
    findings: dict[int, Finding] = {}

    def run(number: int, check: Callable[[], Finding]) -> None:
        findings[number] = check()

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(checks)]
    deadline = time.monotonic() + _GIVE_UP_S
    for thread in threads:
        thread.start()

    def wait() -> list[Finding]:
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        late = Finding("warning", "network", "no answer in time", "check name resolution and proxy")
        return [findings.get(number, late) for number in range(len(checks))]

    return wait


def hub_finding() -> Finding:
    """Whether models can be downloaded, and how many the cache holds."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    cached = len(list(folder.glob("models--*")))
    cache = f"{cached} models in the cache {folder}"
    offline = next((name for name in _OFFLINE if os.environ.get(name, "0") not in ("", "0")), None)
    if offline is not None:
        return Finding("ok", "model hub", f"off by {offline}; {cache}")
    reply = ask_url(constants.ENDPOINT)
    if 0 < reply.status < 500:
        return Finding("ok", "model hub", f"reachable; {cache}")
    reason = f"HTTP {reply.status}" if reply.status else reply.body
    way_out = "the demo needs no download; else name a folder in model.name, or set HTTPS_PROXY"
    return Finding("warning", "model hub", f"not reachable ({reason}); {cache}", way_out)


def server_checks(
    servers: Iterator[tuple[str, ServerSettings | OpenAiBackend]],
) -> list[Callable[[], Finding]]:
    """One check per address. `servers`: each with the setting that names it."""
    checks: list[Callable[[], Finding]] = []
    for setting, server in servers:
        urls = server.base_urls if isinstance(server, OpenAiBackend) else (server.base_url,)
        for url in urls:
            checks.append(_server_check(setting, url, server.model, server.api_key_env))
    return checks


def _server_check(setting: str, url: str, model: str, key_name: str) -> Callable[[], Finding]:
    def check() -> Finding:
        key = os.environ.get(key_name)
        reply = ask_url(f"{url.rstrip('/')}/models", key)
        return server_finding(
            setting, f"{url}, model {model}", reply, model, key_name if key else ""
        )

    return check


def server_finding(
    setting: str, server: str, reply: UrlReply, model: str, key_name: str
) -> Finding:
    """What a reply to the question for models says. `key_name` of the key sent; "": none was."""
    if reply.status == 0:
        text = f"{server} is not reachable ({reply.body})"
        return Finding("problem", setting, text, "start it, or correct its base_url")
    if reply.status in (401, 403):
        text = f"{server} refuses the key in {key_name}" if key_name else f"{server} wants a key"
        way_out = "set the environment variable that api_key_env names"
        return Finding("problem", setting, f"{text} (HTTP {reply.status})", way_out)
    if reply.status >= 500:
        text = f"{server} is not ready (HTTP {reply.status})"
        return Finding("warning", setting, text, "wait until it has started")
    models = _models(reply.body)
    if models and model not in models:
        listed = ", ".join(models[:_SHOWN_MODELS])
        more = f" and {len(models) - _SHOWN_MODELS} more" if len(models) > _SHOWN_MODELS else ""
        text = f"{server}: the server lists {listed}{more}"
        return Finding("warning", setting, text, "correct the name of the model")
    return Finding("ok", setting, f"{server} is reachable")


def _models(body: str) -> list[str]:
    """The ids in a list of models; none where it is no such list."""
    try:
        values = json.loads(body)["data"]
        return [str(value["id"]) for value in values]
    except (ValueError, LookupError, TypeError, RecursionError):
        return []
