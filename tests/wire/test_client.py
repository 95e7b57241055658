"""What goes over the wire and what comes back: headers, connections, bodies of all sizes, TLS."""

import asyncio
import gzip
import random
import re
import ssl
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from config.errors import SetupError
from config.judging import ServerSettings
from tests.judge.llm.judge_factory import after_probe, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, error, serving, verdict
from wire.client import GIVE_UP_AFTER, RetryPolicy, ServerClient
from wire.no_reply import NotSent, Undelivered

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


def test_lost_requests_are_counted_in_a_row() -> None:
    """After 20 nothing more is sent. A reply between them starts the count anew."""
    replies = iter([*[error(500)] * 19, verdict(), *[error(500)] * 20, verdict()])

    async def ask_all(url: str) -> list[str]:
        server, ends = ServerSettings(base_url=url, model="m"), []
        client = ServerClient("judge.llm", url, server, RetryPolicy(attempts=1), bytes)
        for _ in range(41):
            try:
                await client.ask(b"{}")
                ends.append("reply")
            except Undelivered as lost:
                ends.append("not sent" if isinstance(lost, NotSent) else "lost")
        await client.close()
        return ends

    with serving(lambda body: next(replies)) as served:
        ends = asyncio.run(ask_all(served.url))
    assert ends == ["lost"] * 19 + ["reply"] + ["lost"] * GIVE_UP_AFTER + ["not sent"]


@pytest.mark.parametrize("status", [200, 400])
def test_a_packed_reply_is_unpacked(tmp_path: Path, status: int) -> None:
    """A server may pack what it likes; 400 with these words means that the request is too long."""
    words = b'{"error": {"message": "maximum context length"}}'
    raw = gzip.compress(verdict().payload() if status == 200 else words)
    packed = Sent(raw=raw, status=status, headers={"content-encoding": "gzip"})
    verdicts, sent, _ = judged(after_probe(lambda body: packed), tmp_path, pairs_of(1))
    expected = ("pass", None) if status == 200 else ("missing", "overflow")
    assert outcomes(verdicts) == [expected] and len(sent) == 1


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
    assert (tmp_path / "calls.jsonl").stat().st_size > 3_000_000


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
        path = str(tmp_path / "server.pem")
        name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        new = ["openssl", "req", "-x509", *key, "-days", "2", *name, "-keyout", path, "-out", path]
        subprocess.run(new, check=True, capture_output=True)
        return Path(path)

    @pytest.fixture
    def tls(self, certificate: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        return context

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


def test_the_proxy_of_the_environment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address of the server is nowhere: only through the proxy is there an answer."""
    with serving(lambda body: verdict()) as served:
        monkeypatch.setenv("http_proxy", served.url.removesuffix("/v1"))
        verdicts = judge_at("http://judge.invalid/v1", tmp_path).verdicts(pairs_of(2))
        assert [one.outcome for one in verdicts] == ["pass"] * 2 and len(served.bodies) == 3


@pytest.mark.parametrize("status", [301, 307, 404])
def test_a_moved_server_is_not_followed(tmp_path: Path, status: int) -> None:
    """The key goes to no address but the one that the settings name."""
    with serving(lambda body: verdict()) as other:
        moved = error(status, location=other.url)
        with serving(lambda body: moved) as served, pytest.raises(SetupError, match="base_url"):
            judge_at(served.url, tmp_path).verdicts(pairs_of(2))
        assert (len(served.bodies), other.bodies) == (1, [])


class TestStops:
    @pytest.mark.reliability(line=20)
    @pytest.mark.parametrize(
        "sent",
        [
            error(401, "Incorrect API key provided: sk-canary"),
            error(403),
            error(404, "no such model"),
            error(429, "You exceeded your current quota", "insufficient_quota"),
        ],
    )
    def test_within_two_requests(
        self, tmp_path: Path, sent: Sent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JUDGE_TEST_KEY", "sk-canary")
        with serving(lambda body: sent) as served:
            with pytest.raises(SetupError) as caught:
                judge_at(served.url, tmp_path).verdicts(pairs_of(300))
            assert len(served.bodies) <= 2 and served.keys[0] == "Bearer sk-canary"
        assert "canary" not in str(caught.value) and "\n" not in str(caught.value)

    def test_within_two_requests_when_the_mode_is_known(self, tmp_path: Path) -> None:
        judged(after_probe(lambda body: verdict()), tmp_path, pairs_of(1))
        with serving(lambda body: error(401)) as served:
            with pytest.raises(SetupError, match="JUDGE_TEST_KEY is not set"):
                judge_at(served.url, tmp_path).verdicts(pairs_of(300, "иначе"))
            assert len(served.bodies) <= 2

    def test_what_was_judged_before_is_kept(self, tmp_path: Path) -> None:
        left = iter([verdict()] * 20)
        respond = after_probe(lambda body: next(left, error(401)))
        with pytest.raises(SetupError):
            judged(respond, tmp_path, pairs_of(60))
        _, sent, _ = judged(after_probe(lambda body: verdict()), tmp_path, pairs_of(60))
        assert len(sent) == 40


class TestFaults:
    def test_throttling_is_survived(self, tmp_path: Path) -> None:
        random_ = random.Random(4)
        respond = after_probe(
            lambda body: error(429, retry_after="0.01") if random_.random() < 0.5 else verdict()
        )
        verdicts, _, _ = judged(respond, tmp_path, pairs_of(60))
        by_outcome = Counter(outcomes(verdicts))
        assert by_outcome[("pass", None)] + by_outcome[("missing", "transport")] == 60
        assert by_outcome[("pass", None)] >= 54  # 0.5⁶ of 60 is one; seven lost: 1 in 3,000

    def test_timeout_is_tried_again(self, tmp_path: Path) -> None:
        slow = iter([Sent("late", delay_s=3.0)])
        verdicts, sent, _ = judged(
            after_probe(lambda body: next(slow, verdict())), tmp_path, pairs_of(1)
        )
        assert outcomes(verdicts) == [("pass", None)] and len(sent) == 2

    def test_a_server_that_dies_is_not_asked_forever(self, tmp_path: Path) -> None:
        verdicts, sent, _ = judged(after_probe(lambda body: error(500)), tmp_path, pairs_of(200))
        assert set(outcomes(verdicts)) == {("missing", "transport")}
        assert len(sent) <= 6 * (20 + 2 * 8)  # those under way when it gave up end as they must

    @pytest.mark.reliability(line=20)
    def test_thirty_percent_faults_of_eight_kinds(self, tmp_path: Path) -> None:
        """Every one of 2,000 is scored or recorded, and none of them as a fail."""
        random_ = random.Random(9)
        kinds = [
            lambda: error(429, retry_after="0.005"),
            lambda: error(500),
            lambda: error(503),
            lambda: Sent(drop=True),
            lambda: Sent(raw=b'{"choices": [{"mess'),
            lambda: Sent("VERDICT? who knows"),
            lambda: Sent('{"evidence": ["', finish="length"),
            lambda: Sent(""),
        ]

        def respond(body: dict[str, Any]) -> Sent:
            if random_.random() < 0.3:
                return random_.choice(kinds)()
            if "response_format" in body or "structured_outputs" in body:
                return verdict(evidence=("пожалуйста",))
            return Sent("REASONING: so\nVERDICT: pass")

        verdicts, _, judge = judged(after_probe(respond), tmp_path, pairs_of(2000))
        counts = Counter(outcomes(verdicts))
        assert len(verdicts) == counts.total() == 2000
        assert {outcome for outcome, _ in counts} <= {"pass", "missing"}
        assert all(reason for outcome, reason in counts if outcome == "missing")
        # lost: cut twice, 0.0375² of 2000 = 3; two bad replies fall to a looser form, 0.11² = 24
        assert 1980 <= counts[("pass", None)] < 2000
        assert 5 <= judge.fallbacks["structured_outputs"] <= 60
        good = after_probe(lambda body: verdict())
        again, sent, _ = judged(good, tmp_path, pairs_of(2000), asks="missing")
        assert set(outcomes(again)) == {("pass", None)}
        assert len(sent) == 2000 - counts[("pass", None)]  # only what was missing
