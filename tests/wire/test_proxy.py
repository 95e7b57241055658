"""Which proxy the environment names for an address, and that its name and word get there."""

import os
from pathlib import Path

import pytest

from tests.judge.llm.judge_factory import judge_at, pairs_of
from tests.judge.llm.server import serving, verdict
from wire.proxy import proxy_for

PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("named", "url", "found"),
    [
        ({}, "http://judge.example/v1", None),
        ({"http_proxy": PROXY}, "http://judge.example/v1", PROXY),
        ({"http_proxy": PROXY}, "https://judge.example/v1", None),
        ({"https_proxy": PROXY}, "https://judge.example/v1", PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://judge.example/v1", PROXY),
        ({"all_proxy": PROXY}, "https://judge.example/v1", PROXY),
    ],
)
def test_by_scheme(
    named: dict[str, str], url: str, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == found


@pytest.mark.parametrize(
    ("excepted", "host", "through"),
    [
        ("localhost, 127.0.0.1", "127.0.0.1:8000", False),
        (".example", "judge.example", False),
        ("other.example", "judge.example", True),
        ("10.0.0.0/8", "10.1.2.3:8000", False),
        ("10.1.0.0/8", "10.9.2.3", False),  # named by an address in it
        ("10.0.0.0/8", "11.1.2.3", True),
        ("10.0.0.0/8", "judge.example", True),  # a name lies in no network
        ("fd00::/8", "[fd00::1]:8000", False),
        ("*", "judge.example", False),
    ],
)
def test_exceptions(
    excepted: str, host: str, through: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", PROXY)
    monkeypatch.setenv("no_proxy", excepted)
    assert proxy_for(f"http://{host}/v1/chat/completions") == (PROXY if through else None)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8000", "127.8.9.1", "[::1]:8000", "[::ffff:127.0.0.1]", "0.0.0.0:8000"),
        *("localhost:8000", "LOCALHOST", "localhost.", "gpu.localhost:1"),
    ],
)
def test_this_machine_is_reached_directly(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says: the key would go to the proxy."""
    monkeypatch.setenv("http_proxy", PROXY)
    monkeypatch.setenv("all_proxy", PROXY)
    assert proxy_for(f"http://{host}/v1") is None


@pytest.mark.parametrize("host", ["localhost.example", "mylocalhost", "128.0.0.1", "[::2]"])
def test_other_machines_are_not(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", PROXY)
    assert proxy_for(f"http://{host}/v1") == PROXY


def test_the_password_of_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets what its address holds, as Basic of RFC 7617, and the request as it is."""
    with serving(lambda body: verdict()) as served:
        proxy = served.url.removesuffix("/v1").replace("//", "//user:word@")
        monkeypatch.setenv("http_proxy", proxy)
        verdicts = judge_at("http://judge.invalid/v1", tmp_path).verdicts(pairs_of(1))
        assert [one.outcome for one in verdicts] == ["pass"]
    for head in served.heads:
        assert head["proxy-authorization"] == "Basic dXNlcjp3b3Jk"  # user:word
        assert head["host"] == "judge.invalid" and head["authorization"] == "Bearer none"
