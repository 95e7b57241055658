"""The hub, and checks that run beside the others."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipeline.doctor.finding import Finding
from pipeline.doctor.network import ask_url, hub_finding, in_parallel


@contextmanager
def replying(status: int) -> Iterator[str]:
    """The address of a server with one reply."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "reason"), [(200, ""), (403, ""), (503, "HTTP 503")])
def test_any_reply_but_an_error_of_the_server(status: int, reason: str) -> None:
    with replying(status) as url:
        assert ask_url(url) == reason
    assert ask_url(url) == "Connection refused"


def test_a_check_that_hangs_is_given_up() -> None:
    """Looking up a name can take half a minute. What a check raises is raised where it is used."""
    quick = Finding("ok", "quick", "")
    started = time.monotonic()

    def hangs() -> list[Finding]:
        time.sleep(30)
        return [quick]

    (late,) = in_parallel(hangs, 0.1)()
    assert time.monotonic() - started < 10 and late.level == "warning"
    assert in_parallel(lambda: [quick], 10)() == [quick]
    with pytest.raises(ZeroDivisionError):
        in_parallel(lambda: [quick] * (1 // 0), 10)()


def test_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    with replying(200) as url:
        monkeypatch.setattr(constants, "ENDPOINT", url)
        assert hub_finding().text.startswith("reachable; ")
    assert hub_finding().level == "warning"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert hub_finding().text.startswith("off by HF_HUB_OFFLINE; ")
