"""The judge against servers that fail: output modes, stops, and faults of eight kinds."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from config.errors import SetupError
from tests.judge.llm.runs import after_probe, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, error, serving, user, verdict


class TestModes:
    @pytest.mark.parametrize(
        ("mode", "key"),
        [
            ("structured_outputs", "structured_outputs"),
            ("json_object", "response_format"),
            ("plain", None),
        ],
    )
    def test_ladder(self, tmp_path: Path, mode: str, key: str | None) -> None:
        def form(body: dict[str, Any]) -> str:
            if "structured_outputs" in body:
                return "structured_outputs"
            return str(body.get("response_format", {"type": "plain"})["type"])

        def respond(body: dict[str, Any]) -> Sent:
            if form(body) != mode:
                return error(400, "unsupported") if form(body) != "json_object" else Sent("prose")
            return Sent("REASONING: ok\nVERDICT: pass") if mode == "plain" else verdict()

        verdicts, sent, judge = judged(respond, tmp_path, pairs_of(1))
        assert judge.mode == mode and outcomes(verdicts) == [("pass", None)]
        assert key is None or key in sent[0]

    def test_probe_is_long_and_shrinks_for_a_small_model(self, tmp_path: Path) -> None:
        lengths = []

        def respond(body: dict[str, Any]) -> Sent:
            lengths.append(len(user(body)))
            if lengths[-1] > 2500:
                return error(400, "maximum context length is 2048 tokens")
            return verdict()

        _, _, judge = judged(respond, tmp_path, pairs_of(1))
        assert judge.mode == "json_schema" and lengths[0] > 3000 > lengths[1]

    def test_dead_server_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match=r"answers no request; start the server"):
            judge_at("http://127.0.0.1:9/v1", tmp_path).verdicts(pairs_of(2))


class TestStops:
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
        asked = Counter(outcomes(verdicts))
        assert asked[("pass", None)] + asked[("missing", "transport")] == 60
        assert asked[("pass", None)] >= 54  # 0.5⁶ of 60 is one; seven lost: 1 in 3,000

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
        found = Counter(outcomes(verdicts))
        assert len(verdicts) == found.total() == 2000
        assert {outcome for outcome, _ in found} <= {"pass", "missing"}
        assert all(reason for outcome, reason in found if outcome == "missing")
        # lost: cut twice, 0.0375² of 2000 = 3; two bad replies fall to a looser form, 0.11² = 24
        assert 1980 <= found[("pass", None)] < 2000
        assert 5 <= judge.fallbacks["structured_outputs"] <= 60
        good = after_probe(lambda body: verdict())
        again, sent, _ = judged(good, tmp_path, pairs_of(2000), asks="missing")
        assert set(outcomes(again)) == {("pass", None)}
        assert len(sent) == 2000 - found[("pass", None)]  # only what was missing
