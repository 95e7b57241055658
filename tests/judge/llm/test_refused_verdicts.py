"""An error about one row costs its verdict; an error about the key or the quota stops the run."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.errors import SetupError
from tests.judge.llm.judge_factory import after_probe, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.server import Respond, Sent, error, serving, verdict
from wire.client import FIRST_REFUSALS, GIVE_UP_AFTER

BILLING = "Rate limit reached. Add a payment method at https://example.com/account/billing."
FLAGGED = json.dumps(
    {"error": {"code": 403, "message": "No.", "metadata": {"flagged_input": "my api key"}}}
)
NOWHERE = "http://127.0.0.1:9/v1"


def refusing(sent: Sent, *rows: str) -> Respond:
    def respond(body: dict[str, Any]) -> Sent:
        return sent if any(f"Question {row}?" in str(body) for row in rows) else verdict()

    return respond


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (error(403), "refused"),
        (Sent(status=403, raw=b"<html>Access Denied: no permission</html>"), "refused"),
        (Sent(status=403, raw=FLAGGED.encode()), "refused"),
        (error(422, "against our content policy"), "refused"),
        (error(400, "Content Exists Risk"), "refused"),
        (error(403, "Input token count + max_tokens must be less than 8192"), "overflow"),
        (error(422, "strange"), "transport"),
    ],
)
def test_one_row_is_missing_and_stored(tmp_path: Path, sent: Sent, reason: str) -> None:
    """The other 39 are judged; the next run sends nothing, and --retry-missing asks again."""
    verdicts, _, _ = judged(refusing(sent, "r7"), tmp_path, pairs_of(40))
    expected: list[tuple[str, str | None]] = [("pass", None)] * 40
    expected[7] = ("missing", reason)
    assert outcomes(verdicts) == expected
    assert outcomes(judge_at(NOWHERE, tmp_path).verdicts(pairs_of(40))) == expected
    again, sent_again, _ = judged(lambda body: verdict(), tmp_path, pairs_of(40), asks="missing")
    assert outcomes(again) == [("pass", None)] * 40 and len(sent_again) == 1


def test_a_harmless_question_that_is_forbidden_stops_at_once(tmp_path: Path) -> None:
    """The probe's text is the program's own, so the key or the address is at fault."""
    with serving(lambda body: error(403)) as served:
        with pytest.raises(SetupError, match=r"HTTP 403: no: it refuses every request"):
            judge_at(served.url, tmp_path).verdicts(pairs_of(50))
        assert len(served.bodies) == 1


def test_the_first_rows_forbidden_without_a_probe(tmp_path: Path) -> None:
    """The mode is known of an earlier run; three requests, none of them stored."""
    judged(lambda body: verdict(), tmp_path, pairs_of(1))
    others = pairs_of(50, "Иначе.")
    with serving(lambda body: error(403)) as served:
        with pytest.raises(SetupError, match="it refuses every request"):
            judge_at(served.url, tmp_path).verdicts(others)
        assert len(served.bodies) == FIRST_REFUSALS
    verdicts, sent, _ = judged(lambda body: verdict(), tmp_path, others)
    assert outcomes(verdicts) == [("pass", None)] * 50 and len(sent) == 50


def test_forbidden_from_some_row_on_stops_after_twenty(tmp_path: Path) -> None:
    """With eight on the way at most. None is stored: the key was at fault."""
    rows = [f"r{number}" for number in range(30, 90)]
    with serving(refusing(error(403), *rows)) as served:
        with pytest.raises(SetupError, match="it refuses every request"):
            judge_at(served.url, tmp_path).verdicts(pairs_of(90))
        assert 31 + GIVE_UP_AFTER <= len(served.bodies) <= 31 + GIVE_UP_AFTER + 8
    verdicts, sent, _ = judged(lambda body: verdict(), tmp_path, pairs_of(90))
    assert outcomes(verdicts) == [("pass", None)] * 90 and len(sent) == 60


def test_every_second_row_forbidden_stops_nothing(tmp_path: Path) -> None:
    rows = [f"r{number}" for number in range(0, 120, 2)]
    verdicts, _, _ = judged(refusing(error(403), *rows), tmp_path, pairs_of(120))
    assert outcomes(verdicts) == [("missing", "refused"), ("pass", None)] * 60


@pytest.mark.parametrize("code", [None, "rate_limit_exceeded"])
def test_a_rate_limit_that_names_billing_is_survived(tmp_path: Path, code: str | None) -> None:
    """Of 40 requests every third is throttled once."""
    throttled = iter([error(429, BILLING, code, retry_after="0.001"), *[verdict()] * 2] * 40)
    verdicts, sent, _ = judged(after_probe(lambda body: next(throttled)), tmp_path, pairs_of(40))
    assert outcomes(verdicts) == [("pass", None)] * 40 and len(sent) > 40


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (error(429, "Check your plan", "insufficient_quota"), "the quota is spent"),
        (error(400, "Your credit balance is too low to access the API"), "the quota is spent"),
        (error(403, "No.", "unsupported_country_region_territory"), "does not serve this region"),
        (error(403, "You lack permission"), "the key was refused"),
        (error(401), "the key was refused"),
    ],
)
def test_what_the_user_fixes_stops_within_two_requests(
    tmp_path: Path, sent: Sent, line: str
) -> None:
    judged(lambda body: verdict(), tmp_path, pairs_of(1))
    with serving(lambda body: sent) as served:
        with pytest.raises(SetupError, match=line):
            judge_at(served.url, tmp_path).verdicts(pairs_of(300, "Иначе."))
        assert len(served.bodies) <= 2
