"""What only the user can fix stops the command at once, is stored nowhere, and is asked again."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.errors import SetupError
from tests.judge.llm.judge_factory import judge_at, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, error, is_probe, serving, verdict

REFUSALS = {
    "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'.": "max_tokens_field",
    "Unsupported value: 'temperature' must be 1 with this model": "temperature: null",
    "API key not valid": "the key was refused",
    "The model `m` does not exist": "fix base_url or model",
}


@pytest.mark.parametrize(("words", "way_out"), REFUSALS.items())
def test_a_refused_set_up_stops_at_the_first_request(
    tmp_path: Path, words: str, way_out: str
) -> None:
    with serving(lambda body: error(400, words)) as served:
        with pytest.raises(SetupError) as caught:
            judge_at(served.url, tmp_path).verdicts(pairs_of(50))
        assert len(served.bodies) == 1
    line = str(caught.value)
    assert words.rstrip(".") in line and way_out in line and "\n" not in line
    assert "answers no request" not in line
    verdicts, sent, judge = judged(lambda body: verdict(), tmp_path, pairs_of(2))
    assert outcomes(verdicts) == [("pass", None)] * 2 and len(sent) == 2
    assert judge.mode == "json_schema", "nothing of the refused run is stored"


def test_every_form_refused_in_unknown_words(tmp_path: Path) -> None:
    """Four requests: one for each form of output, plain text among them."""
    with serving(lambda body: error(400, "Computer says no.")) as served:
        with pytest.raises(SetupError, match=r"in plain text too: HTTP 400: Computer says no;"):
            judge_at(served.url, tmp_path).verdicts(pairs_of(50))
        assert len(served.bodies) == 4
    assert not (tmp_path / "calls.jsonl").read_text()
    _, _, judge = judged(lambda body: verdict(), tmp_path, pairs_of(2))
    assert judge.mode == "json_schema"


def test_a_refusal_of_all_when_the_mode_is_known_is_not_stored(tmp_path: Path) -> None:
    """The first run knows the mode; the second is refused; the third asks again by itself."""
    judged(lambda body: verdict(), tmp_path, pairs_of(1))
    others = pairs_of(3, "иначе")
    verdicts, _, _ = judged(lambda body: error(400, "Computer says no."), tmp_path, others)
    assert outcomes(verdicts) == [("missing", "transport")] * 3
    assert verdicts[0].note == "HTTP 400: Computer says no"
    verdicts, sent, _ = judged(lambda body: verdict(), tmp_path, others)
    assert outcomes(verdicts) == [("pass", None)] * 3 and len(sent) == 3


def test_a_refusal_of_one_is_stored(tmp_path: Path) -> None:
    """Other requests are accepted, so this one's own words are at fault: asked once."""

    def respond(body: dict[str, Any]) -> Sent:
        return error(400, "strange") if "Question r1?" in str(body) else verdict()

    judged(respond, tmp_path, pairs_of(3))
    verdicts, sent, _ = judged(lambda body: verdict(), tmp_path, pairs_of(3))
    assert sent == [] and verdicts[1].note == "HTTP 400: strange"


def test_a_limit_that_only_a_reask_exceeds_costs_that_reply_alone(tmp_path: Path) -> None:
    """A cut reply is asked for again with twice the tokens; beyond the limit it stays cut."""

    def respond(body: dict[str, Any]) -> Sent:
        if body["max_tokens"] > 100 and not is_probe(body):
            return error(400, "max_tokens is too large: at most 100 are supported by m")
        return verdict() if is_probe(body) else Sent("x", finish="length")

    verdicts, _, _ = judged(respond, tmp_path, pairs_of(2), max_tokens=100)
    assert outcomes(verdicts) == [("missing", "truncated")] * 2


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (error(503, "The model is loading"), "HTTP 503: The model is loading"),
        (Sent(raw=b"<html>Sign in</html>"), "the reply is HTML, as of a proxy or a login page"),
        (Sent(raw=b'{"error": {"code": 429, "message": "Daily limit"}}'), "error 429 in a reply"),
        (Sent(raw=b'{"choices": []}'), "the reply holds no choices"),
        (Sent(drop=True), "no whole HTTP response"),
    ],
)
def test_not_reached_is_said_only_of_what_was_not_reached(
    tmp_path: Path, sent: Sent, line: str
) -> None:
    with serving(lambda body: sent) as served, pytest.raises(SetupError) as caught:
        judge_at(served.url, tmp_path).verdicts(pairs_of(2))
    assert line in str(caught.value) and "answers no request" not in str(caught.value)
    with pytest.raises(SetupError, match=r"answers no request.*no connection: .*127\.0\.0\.1:9"):
        judge_at("http://127.0.0.1:9/v1", tmp_path).verdicts(pairs_of(2))


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (401, "the key was refused"),
        (402, "the quota is spent"),
        (404, "fix base_url or model"),
    ],
)
def test_a_set_up_fault_inside_a_reply(tmp_path: Path, code: int, line: str) -> None:
    raw = json.dumps({"error": {"code": code, "message": "No."}}).encode()
    with serving(lambda body: Sent(raw=raw)) as served:
        with pytest.raises(SetupError, match=f"error {code} in a reply: No: .*{line}"):
            judge_at(served.url, tmp_path).verdicts(pairs_of(9))
        assert len(served.bodies) == 1
