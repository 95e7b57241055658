"""Whether the model hub can be reached; within seconds, beside the other checks."""

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from pipeline.doctor.finding import Finding
from wire.proxy import proxy_for

_TIMEOUT_S = 2.0  # of a connection
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def ask_url(url: str) -> str:
    """Why GET `url` has no answer; "": it has one. Goes through the proxy of the environment."""
    proxy = proxy_for(url)
    proxies = {} if proxy is None else {url.split(":", 1)[0]: proxy}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    try:
        with opener.open(url, timeout=_TIMEOUT_S):
            return ""
    except urllib.error.HTTPError as error:
        return "" if error.code < 500 else f"HTTP {error.code}"
    except (OSError, ValueError, HTTPException) as error:
        cause = getattr(error, "reason", None) or error
        return str(getattr(cause, "strerror", None) or cause)[:100]


def in_parallel(
    check: Callable[[], list[Finding]], give_up_s: float
) -> Callable[[], list[Finding]]:
    """Starts a check; the returned function waits for its findings, at most `give_up_s` seconds.

    What it raises is raised there.
    """
    results: list[list[Finding] | BaseException] = []

    def run() -> None:
        try:
            results.append(check())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def wait() -> list[Finding]:
        thread.join(give_up_s)
        if not results:
            way_out = "check name resolution and proxy"
            return [Finding("warning", "network", f"no answer within {give_up_s:g} s", way_out)]
        if isinstance(results[0], BaseException):
            raise results[0]
        return results[0]

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
    reason = ask_url(constants.ENDPOINT)
    if not reason:
        return Finding("ok", "model hub", f"reachable; {cache}")
    way_out = "the demo needs no download; else name a folder in model.name, or set HTTPS_PROXY"
    return Finding("warning", "model hub", f"not reachable ({reason}); {cache}", way_out)
