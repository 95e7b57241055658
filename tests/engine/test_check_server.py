"""One short request finds out whether a server is there, takes the key and has the model."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from config.judging import ServerSettings
from engine.check_server import REACH_S, ServerFault, check_server

ENV = "OPENAI_API_KEY"


@contextmanager
def models_server(
    status: int, body: bytes = b"", **headers: str
) -> Iterator[tuple[str, list[str]]]:
    """A server that answers every GET like this; yields its address and the paths and keys."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(f"{self.path} {self.headers['authorization']}")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1", requests
        server.shutdown()
        thread.join()


def fault(url: str, model: str = "m", env: str = ENV) -> ServerFault | None:
    settings = ServerSettings(base_url=url, model=model, api_key_env=env)
    return check_server("judge.llm", url, settings)


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV, raising=False)


@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 405, 429, 500, 503])
def test_any_answer_means_that_it_is_there(status: int) -> None:
    """A gateway may not serve the list, and a redirect is not followed: it would get the key."""
    with models_server(status, location="http://127.0.0.1:9/") as (url, requests):
        assert fault(url) is None
        assert requests == ["/v1/models Bearer none"]


def test_a_server_that_wants_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key it is missing for certain; a key that is refused for the list may yet do."""
    with models_server(401) as (url, requests):
        assert fault(url) == ServerFault(
            "key",
            f"judge.llm: {url} needs a key, and the environment variable {ENV} (api_key_env) is "
            f"not set; run `export {ENV}=…` first, or name the variable that holds the key",
        )
        monkeypatch.setenv(ENV, "sk-canary-123456")
        refused = fault(url)
        assert refused is not None and refused.kind == "doubt" and "canary" not in refused.message
        assert requests[-1].endswith("Bearer sk-canary-123456")


def test_a_local_server_needs_no_key() -> None:
    with models_server(200, json.dumps({"data": [{"id": "m"}]}).encode()) as (url, _):
        assert fault(url) is None and fault(url, env="") is None


def test_a_model_that_is_not_listed_is_doubtful() -> None:
    names = [{"id": f"model-{n}"} for n in range(7)]
    with models_server(200, json.dumps({"data": names}).encode()) as (url, _):
        doubt = fault(url)
        assert doubt == ServerFault(
            "doubt",
            f"judge.llm: {url} does not list the model m; it has model-0, model-1, model-2, "
            "model-3, model-4, …",
        )
        assert fault(url, "model-6") is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data": null}', b'{"data": [1]}'])
def test_an_odd_list_says_nothing(body: bytes) -> None:
    with models_server(200, body) as (url, _):
        assert fault(url) is None


def test_a_server_that_is_silent_is_given_up_in_time() -> None:
    """It accepts the connection and never answers: no more than REACH_S and a moment."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        started = time.monotonic()
        silence = fault(url)
        assert time.monotonic() - started < REACH_S + 2
    assert silence is not None and silence.kind == "unreached"
    assert "start the server, or correct the address" in silence.message


def test_a_host_that_has_no_address() -> None:
    unknown = fault("http://no-such-host.invalid/v1")
    assert unknown is not None and unknown.kind == "unreached"
    assert unknown.message.startswith("judge.llm: http://no-such-host.invalid/v1 cannot be reached")
