"""What goes over the wire and what comes back: headers, connections, bodies of all sizes, TLS."""

import asyncio
import gzip
import re
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from config.errors import SetupError
from tests.judge.llm.runs import after_probe, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, serving, verdict

# headers that differ by HTTP client: encodings, connection handling, the openai client's telemetry
OF_THE_CLIENT = re.compile("accept-encoding|connection|x-stainless-.*")


async def by_openai(url: str, body: object) -> None:
    async with AsyncOpenAI(base_url=url, api_key="sk-canary", max_retries=0) as client:
        await client.post("/chat/completions", body=body, cast_to=object)


def test_a_request_is_what_the_openai_client_would_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First line and headers, those that the environment adds among them."""
    monkeypatch.setenv("JUDGE_TEST_KEY", "sk-canary")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-team: judges\nuser-agent: ours")
    with serving(lambda body: verdict()) as served:
        judge_at(served.url, tmp_path).verdicts(pairs_of(1))
        asyncio.run(by_openai(served.url, served.bodies[-1]))
    ours, theirs = served.heads[-2:]
    assert "post /v1/chat/completions http/1.1" in ours
    assert ours["authorization"] == "Bearer sk-canary" and ours["x-team"] == "judges"
    assert ours["openai-organization"] == "org-1" and ours["user-agent"] == "ours"
    differs = {name for name in ours.keys() | theirs if ours.get(name) != theirs.get(name)}
    assert all(map(OF_THE_CLIENT.fullmatch, differs))


def test_connections_are_used_again(tmp_path: Path) -> None:
    """No more of them than requests under way at once, which are eight."""
    with serving(after_probe(lambda body: verdict())) as served:
        judge_at(served.url, tmp_path).verdicts(pairs_of(60))
        assert len(served.bodies) == 61 and served.connections <= 8


def test_cookies_are_not_kept(tmp_path: Path) -> None:
    with serving(lambda body: Sent(verdict().text, headers={"set-cookie": "a=b"})) as served:
        named = served.url.replace("127.0.0.1", "localhost")  # no client keeps cookies of a number
        judge_at(named, tmp_path).verdicts(pairs_of(2))
        assert len(served.heads) == 3 and not any("cookie" in head for head in served.heads)


@pytest.mark.parametrize("status", [200, 400])
def test_a_packed_reply_is_unpacked(tmp_path: Path, status: int) -> None:
    """A server may pack what it likes; 400 with these words means that the request is too long."""
    words = b'{"error": {"message": "maximum context length"}}'
    raw = gzip.compress(verdict().payload() if status == 200 else words)
    packed = Sent(raw=raw, status=status, headers={"content-encoding": "gzip"})
    verdicts, sent, _ = judged(after_probe(lambda body: packed), tmp_path, pairs_of(1))
    found = ("pass", None) if status == 200 else ("missing", "overflow")
    assert outcomes(verdicts) == [found] and len(sent) == 1


def test_a_packed_reply_that_is_broken_is_asked_for_again(tmp_path: Path) -> None:
    broken = iter([Sent(raw=b"\x1f\x8b no", headers={"content-encoding": "gzip"})])
    respond = after_probe(lambda body: next(broken, verdict()))
    verdicts, sent, _ = judged(respond, tmp_path, pairs_of(1))
    assert outcomes(verdicts) == [("pass", None)] and len(sent) == 2


def test_a_reply_of_megabytes_is_read_whole(tmp_path: Path) -> None:
    """Far more than one read of the socket gives; the verdict stands at its end."""
    long = Sent("REASONING: " + "so " * 1_000_000 + "\nVERDICT: fail")
    plain = after_probe(lambda body: long if "response_format" not in body else Sent("prose"))
    with serving(lambda body: Sent("prose") if "response_format" in body else plain(body)) as on:
        assert outcomes(judge_at(on.url, tmp_path).verdicts(pairs_of(1))) == [("fail", None)]
    assert (tmp_path / "asked.jsonl").stat().st_size > 3_000_000


@pytest.mark.parametrize(
    ("stays_s", "status"), [(0.0, 200), (0.0, 400), (60.0, 200)], ids=["cut", "cut 400", "stalled"]
)
def test_half_a_reply_is_none(tmp_path: Path, stays_s: float, status: int) -> None:
    """The connection ends, or stays open in silence beyond the two seconds that a reply may take.

    Half a 400 is no refusal either: it is asked again.
    """
    halves = iter([Sent(verdict("fail").text, status=status, halfway_s=stays_s)])
    respond = after_probe(lambda body: next(halves, verdict()))
    begun = time.monotonic()
    verdicts, sent, _ = judged(respond, tmp_path, pairs_of(1))
    assert outcomes(verdicts) == [("pass", None)] and len(sent) == 2
    assert time.monotonic() - begun < 20


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        """Of 127.0.0.1, signed by nobody but itself; its key in the same file."""
        made = str(tmp_path / "server.pem")
        name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        new = ["openssl", "req", "-x509", *key, "-days", "2", *name, "-keyout", made, "-out", made]
        subprocess.run(new, check=True, capture_output=True)
        return Path(made)

    @pytest.fixture
    def tls(self, certificate: Path) -> ssl.SSLContext:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.load_cert_chain(certificate)
        return made

    def test_a_certificate_that_nobody_vouches_for_gets_no_key(
        self, tmp_path: Path, tls: ssl.SSLContext
    ) -> None:
        with serving(lambda body: verdict(), tls) as served:
            with pytest.raises(SetupError, match="answers no request"):
                judge_at(served.url, tmp_path).verdicts(pairs_of(1))
            assert served.heads == []

    def test_a_certificate_that_the_user_trusts(
        self,
        tmp_path: Path,
        tls: ssl.SSLContext,
        certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with serving(lambda body: verdict(), tls) as served:
            verdicts = judge_at(served.url, tmp_path).verdicts(pairs_of(2))
            assert outcomes(verdicts) == [("pass", None)] * 2 and served.connections <= 2
