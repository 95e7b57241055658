"""Servers and the hub: every kind of reply is one line, and a key goes to its server alone."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from config.judging import ServerSettings
from pipeline.doctor.finding import Finding
from pipeline.doctor.network import (
    UrlReply,
    ask_url,
    hub_finding,
    in_parallel,
    server_checks,
    server_finding,
)

LIST = json.dumps({"object": "list", "data": [{"id": "m"}, {"id": "n"}]})


@contextmanager
def replying(status: int, body: str = "", **headers: str) -> Iterator[tuple[str, list[str]]]:
    """A server with one reply; its address, and the keys that it was sent."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(f"{self.path} {self.headers.get('authorization')}")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", keys
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("reply", "key", "level", "words"),
    [
        (UrlReply(200, LIST), "K", "ok", "is reachable"),
        (UrlReply(200, "<html>"), "", "ok", "is reachable"),  # not every server lists its models
        (UrlReply(404, ""), "", "ok", "is reachable"),
        (UrlReply(200, LIST.replace('"m"', '"other"')), "", "warning", "the server lists other, n"),
        (UrlReply(401, ""), "K", "problem", "refuses the key in K (HTTP 401)"),
        (UrlReply(403, ""), "", "problem", "wants a key (HTTP 403)"),
        (UrlReply(503, ""), "", "warning", "is not ready (HTTP 503)"),
        (UrlReply(0, "Connection refused"), "", "problem", "is not reachable (Connection refused)"),
    ],
)
def test_every_reply_is_one_finding(reply: UrlReply, key: str, level: str, words: str) -> None:
    finding = server_finding("judge.llm", "http://x/v1, model m", reply, "m", key)
    assert finding.level == level and words in finding.text
    assert bool(finding.way_out) == (level != "ok")


def test_a_server_is_asked_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    with replying(200, LIST) as (url, keys):
        server = ServerSettings(base_url=url, model="m", api_key_env="MY_KEY")
        (finding,) = in_parallel(server_checks(iter([("judge.llm", server)])))()
    assert finding == Finding("ok", "judge.llm", f"{url}, model m is reachable")
    assert keys == ["/v1/models Bearer sk-secret"]


def test_a_key_does_not_follow_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    with replying(200, LIST) as (other, keys), replying(302, location=other) as (url, _):
        assert ask_url(f"{url}/models", "sk-secret").status == 302
    assert keys == []


def test_nobody_listens() -> None:
    with replying(200) as (url, _):
        pass
    assert ask_url(url) == UrlReply(0, "Connection refused")


def test_a_check_that_hangs_is_given_up() -> None:
    """Looking up a name can take half a minute; the others' findings are not lost."""
    started = time.monotonic()
    quick = Finding("ok", "quick", "")

    def hangs() -> Finding:
        time.sleep(30)
        return quick

    findings = in_parallel([hangs, lambda: quick])()
    assert time.monotonic() - started < 10
    assert [finding.level for finding in findings] == ["warning", "ok"]


def test_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    with replying(200) as (url, _):
        monkeypatch.setattr(constants, "ENDPOINT", url)
        assert hub_finding().text.startswith("reachable; ")
    assert hub_finding().level == "warning"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub_finding().text.startswith("off by HF_HUB_OFFLINE; ")
