"""Replies with what no file should hold: malformed, asked again, then missing, stored nowhere."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from data.jsonl import read_records, write_records
from judge.verdict import Verdict
from tests.judge.llm.judge_factory import after_probe, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, error, is_probe, verdict
from tests.judge.llm.token_server import scored_verdict

NOWHERE = "http://127.0.0.1:9/v1"
GOOD = str(verdict().text)


def with_reasoning(json_text: str) -> str:
    return GOOD.replace('"So it is."', json_text)


BAD = {
    "a high surrogate": with_reasoning('"\\ud83d"'),
    "a low surrogate": with_reasoning('"x\\udc00"'),
    "two in the wrong order": with_reasoning('"\\udc00\\ud83d"'),
    "as the verdict": GOOD.replace('"pass"', '"pass\\ud83d"'),
    "in a quote": GOOD.replace("[]", '["\\ud83d"]'),
    "in a list of lists": GOOD.replace("[]", '[["\\ud83d"]]'),
    "as a key": GOOD.replace('"reasoning"', '"\\udfff"'),
    "as one more key": GOOD.replace("{", '{"\\ud83d": 1, ', 1),
    "NUL": with_reasoning('"a\\u0000b"'),
    "NUL in a quote": GOOD.replace("[]", '["a b c\\u0000"]'),
    "NUL as a key": GOOD.replace("{", '{"\\u0000": 1, ', 1),
    "NUL as it is": with_reasoning('"a\0b"'),
    "NaN": with_reasoning("NaN"),
    "-Infinity": GOOD.replace("[]", "[-Infinity]"),
    "a number beyond range": with_reasoning("1e999"),
    "a number of 5,000 digits": with_reasoning("9" * 5000),
    "2^64": GOOD.replace("[]", f"[{2**64}]"),
    "the same key twice": GOOD.replace("{", '{"verdict": "fail", ', 1),
    "lists to a depth of 50,000": with_reasoning("[" * 50_000 + "]" * 50_000),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_malformed_then_missing(tmp_path: Path, text: str) -> None:
    """Its one re-ask, then the looser modes; read again from the cache; asked again on demand."""
    respond = after_probe(lambda body: Sent(text))
    verdicts, sent, _ = judged(respond, tmp_path, pairs_of(1))
    assert outcomes(verdicts) == [("missing", "malformed")] and len(sent) >= 2
    path = tmp_path / "verdicts.jsonl"
    write_records(path, verdicts)
    assert list(read_records(path, Verdict)) == verdicts
    stored = path.read_text("utf-8")
    assert not re.search(r"(?<!\\)\\u(d[89a-f]|0000)", stored.replace("\\\\", "  "))
    judge = judge_at(NOWHERE, tmp_path)
    assert outcomes(judge.verdicts(pairs_of(1), "none")) == [("missing", "malformed")]
    assert outcomes(judge_at(NOWHERE, tmp_path).verdicts(pairs_of(1))) == outcomes(verdicts)
    again, _, _ = judged(after_probe(lambda body: verdict()), tmp_path, pairs_of(1), asks="missing")
    assert outcomes(again) == [("pass", None)]


@pytest.mark.parametrize("place", ["finish_reason", "model", "id", "reasoning_content", "role"])
@pytest.mark.parametrize("half", ["\ud83d", "\udc00"])
def test_half_a_character_elsewhere_in_a_reply(tmp_path: Path, place: str, half: str) -> None:
    """What is not read does no harm; a finish reason is read, and is then no known end."""
    message: dict[str, Any] = {"content": GOOD}
    choice: dict[str, Any] = {"message": message, "finish_reason": "stop"}
    body: dict[str, Any] = {"choices": [choice]}
    fields = {"finish_reason": choice, "reasoning_content": message, "role": message}
    fields.get(place, body)[place] = half
    sent = Sent(raw=json.dumps(body).encode())
    verdicts, _, _ = judged(after_probe(lambda body: sent), tmp_path, pairs_of(1))
    write_records(tmp_path / "verdicts.jsonl", verdicts)
    expected = ("missing", "malformed") if place == "finish_reason" else ("pass", None)
    assert outcomes(verdicts) == [expected]
    assert outcomes(judge_at(NOWHERE, tmp_path).verdicts(pairs_of(1), "none"))


def test_half_a_character_in_an_error(tmp_path: Path) -> None:
    sent = error(400, "strange \ud83d words", code="\udc00")

    def respond(body: dict[str, Any]) -> Sent:
        return sent if "Question r1?" in str(body) else verdict()

    verdicts, _, _ = judged(respond, tmp_path, pairs_of(3))
    write_records(tmp_path / "verdicts.jsonl", verdicts)
    assert verdicts[1].note == "HTTP 400: strange words"
    assert outcomes(judge_at(NOWHERE, tmp_path).verdicts(pairs_of(3))) == outcomes(verdicts)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1000.5", "null"])
def test_a_log_probability_that_is_none(tmp_path: Path, number: str) -> None:
    """The verdict's word counts, without a probability; a second run reads what was stored."""

    def respond(body: dict[str, Any]) -> Sent:
        sent = scored_verdict(body, {"pass": 0.75, "fail": 0.25})
        if not is_probe(body):
            sent.raw = re.sub(rb'"logprob": -[0-9.]+', b'"logprob": ' + number.encode(), sent.raw)
        return sent

    verdicts, _, _ = judged(respond, tmp_path, pairs_of(1), token_probabilities=True)
    assert outcomes(verdicts) == [("pass", None)] and verdicts[0].probability is None
    judge = judge_at(NOWHERE, tmp_path, token_probabilities=True)
    assert judge.verdicts(pairs_of(1)) == verdicts


def test_a_stored_reply_whose_log_probability_was_lost(tmp_path: Path) -> None:
    """Earlier versions stored NaN, which JSON has not, as null; every later run ended there."""

    def respond(body: dict[str, Any]) -> Sent:
        return scored_verdict(body, {"pass": 0.75, "fail": 0.25})

    verdicts, _, _ = judged(respond, tmp_path, pairs_of(1), token_probabilities=True)
    assert verdicts[0].probability == pytest.approx(0.75)
    path = tmp_path / "calls.jsonl"
    path.write_text(re.sub(r'\["(pass|fail)",-[0-9.]+\]', r'["\1",null]', path.read_text("utf-8")))
    judge = judge_at(NOWHERE, tmp_path, token_probabilities=True)
    (again,) = judge.verdicts(pairs_of(1), "none")
    assert (again.outcome, again.probability) == ("pass", None)
