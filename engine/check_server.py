"""Whether a server that the settings name is there and takes the key: one short request.

Asks for the list of models, which costs nothing. Any answer of the server means that it is there.
"""

import json
import os
import ssl
from threading import Thread
from typing import Literal, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    ProxyHandler,
    Request,
    build_opener,
)

from config.backends import OpenAiBackend
from config.judging import ServerSettings
from wire.proxy import proxy_for
from wire.server_words import quoted

REACH_S = 3.0  # seconds for the server's answer
_USUAL_KEY = "OPENAI_API_KEY"  # the default of api_key_env; a local server needs no key
_NEEDS_KEY = ("api.openai.com",)
_MOST_BYTES = 4 << 20  # of the list of models
_SHOWN_MODELS = 5

ServerFaultKind = Literal["key", "unreached", "doubt"]


class _NoRedirects(HTTPRedirectHandler):
    """A redirect counts as an answer: following it would send the key to another host."""

    def redirect_request(self, *_: object) -> None:
        """Follows none."""


class ServerFault(NamedTuple):
    """What a run would stumble over. `doubt`: it may still work."""

    kind: ServerFaultKind
    message: str


def check_server(
    setting: str, base_url: str, server: ServerSettings | OpenAiBackend
) -> ServerFault | None:
    """The server's fault; None: it is there, and nothing speaks against key and model.

    `setting` names the server in the message; `base_url` is one of the server's. Takes at most
    REACH_S seconds.
    """
    env, subject = server.api_key_env, f"{setting}: {quoted(base_url)}"
    lacks_key = bool(env) and not os.environ.get(env)
    needs_key = env != _USUAL_KEY or urlsplit(base_url).hostname in _NEEDS_KEY
    if lacks_key and needs_key:
        return ServerFault("key", _no_key(subject, env))
    status, body = _ask_models(base_url, env)
    if status is None:
        return ServerFault(
            "unreached",
            f"{subject} cannot be reached: {body}; start the server, or correct the address",
        )
    if status == 401 and lacks_key:
        return ServerFault("key", _no_key(subject, env))
    if status == 401:
        return ServerFault(
            "doubt", f"{subject} refuses the key in the environment variable {env}; correct it"
        )
    names = _model_names(body) if status == 200 else []
    if names and server.model not in names:
        shown = ", ".join(names[:_SHOWN_MODELS]) + ", …" * (len(names) > _SHOWN_MODELS)
        return ServerFault(
            "doubt", f"{subject} does not list the model {server.model}; it has {shown}"
        )
    return None


def _no_key(subject: str, env: str) -> str:
    return (
        f"{subject} needs a key, and the environment variable {env} (api_key_env) is not set; run "
        f"`export {env}=…` first, or name the variable that holds the key"
    )


def _ask_models(base_url: str, env: str) -> tuple[int | None, str]:
    """HTTP status and body of the list of models; None and the reason without an answer."""
    answers: list[tuple[int | None, str]] = []
    thread = Thread(target=lambda: answers.append(_get(base_url, env)), daemon=True)
    thread.start()  # a name server may take longer than any timeout of a connection
    thread.join(REACH_S)
    return answers[0] if answers else (None, f"no answer within {REACH_S:g} s")


def _get(base_url: str, env: str) -> tuple[int | None, str]:
    url = f"{base_url.rstrip('/')}/models"
    key = (os.environ.get(env) if env else None) or "none"
    proxy = proxy_for(url)
    opener = build_opener(
        ProxyHandler({} if proxy is None else {"http": proxy, "https": proxy}),
        HTTPSHandler(context=ssl.create_default_context()),
        _NoRedirects(),
    )
    request = Request(url, headers={"authorization": f"Bearer {key}", "accept": "application/json"})
    try:
        with opener.open(request, timeout=REACH_S) as reply:
            return reply.status, reply.read(_MOST_BYTES).decode("utf-8", "replace")
    except HTTPError as error:
        return error.code, ""
    except URLError as error:
        return None, _reason(error.reason)
    except (OSError, ValueError) as error:  # a broken answer comes from something that is there
        return (None, _reason(error)) if isinstance(error, OSError) else (0, "")
    except Exception:  # of http.client, for an answer that is no HTTP
        return 0, ""


def _reason(error: object) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:150]


def _model_names(body: str) -> list[str]:
    """The ids of the listed models; none where the body is no such list."""
    try:
        entries = json.loads(body)["data"]
        return [str(entry["id"]) for entry in entries]
    except (ValueError, LookupError, TypeError):
        return []
