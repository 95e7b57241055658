"""The judge at servers that answer in their own way: every verdict comes, or says why not."""

import json
from pathlib import Path
from typing import Any

import pytest

from data.jsonl import write_records
from tests.judge.llm.judge_factory import after_probe, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, output_mode, serving, verdict

GOOD = str(verdict().text)
PLAIN = "REASONING: It is polite.\nVERDICT: pass"


def raw(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> Sent:
    choice = {"message": message, "finish_reason": finish}
    return Sent(raw=json.dumps({"choices": [choice], **more}).encode())


def streamed(text: str) -> Sent:
    chunk = json.dumps({"choices": [{"delta": {"content": text}}]})
    return Sent(raw=f"data: {chunk}\n\ndata: [DONE]\n\n".encode())


SHAPES = {
    "eos": raw({"content": GOOD}, "eos"),
    "STOP": raw({"content": GOOD}, "STOP"),
    "end_turn": raw({"content": GOOD}, "end_turn"),
    "no reason": raw({"content": GOOD}, None),
    "parts": raw({"content": [{"type": "text", "text": GOOD}]}),
    "thoughts beside it": raw({"content": GOOD, "reasoning_content": "Hm. VERDICT: fail"}),
    "thoughts in front": raw({"content": f"Hm, rude?\n</think>\n{GOOD}"}),
    "the object filed under reasoning": raw({"content": None, "reasoning_content": GOOD}),
    "usage with a fraction": raw({"content": GOOD}, usage={"prompt_tokens": 10.5}),
    "streamed": streamed(GOOD),
    "with a byte order mark": Sent(raw=b"\xef\xbb\xbf" + raw({"content": GOOD}).raw),
}


@pytest.mark.parametrize("sent", SHAPES.values(), ids=SHAPES.keys())
def test_a_good_verdict_counts_in_every_shape(tmp_path: Path, sent: Sent) -> None:
    """One request per verdict, in the strictest mode: nothing is asked twice."""
    verdicts, requests, judge = judged(lambda body: sent, tmp_path, pairs_of(3))
    assert outcomes(verdicts) == [("pass", None)] * 3
    assert (len(requests), judge.mode) == (3, "json_schema")


@pytest.mark.parametrize(
    ("sent", "reason", "note"),
    [
        (raw({"content": GOOD}, "MAX_TOKENS"), "truncated", ""),
        (raw({"content": GOOD}, "model_length"), "truncated", ""),
        (raw({"content": GOOD}, "SAFETY"), "refused", ""),
        (raw({"content": GOOD}, "error"), "malformed", "finish_reason 'error' is no known end"),
        (raw({"content": None}, "tool_calls"), "malformed", "'tool_calls' is no known end"),
        (raw({"content": None, "reasoning": "Is it rude?"}), "empty", "only reasoning came: Is it"),
        (raw({"content": None, "reasoning": PLAIN}), "empty", "only reasoning came"),
        (raw({"content": f"<think>{PLAIN}"}), "malformed", "<think>"),
    ],
)
def test_what_is_no_whole_verdict_says_why(
    tmp_path: Path, sent: Sent, reason: str, note: str
) -> None:
    verdicts, _, _ = judged(after_probe(lambda body: sent), tmp_path, pairs_of(1))
    assert outcomes(verdicts) == [("missing", reason)] and note in verdicts[0].note


def test_thoughts_in_front_of_plain_text(tmp_path: Path) -> None:
    """The verdict that the model only considered is not its verdict."""

    def respond(body: dict[str, Any]) -> Sent:
        plain = f"<think>\nVERDICT: fail\n</think>\n{PLAIN}"
        return Sent(plain if output_mode(body) == "plain" else "I do not write JSON.")

    verdicts, _, judge = judged(respond, tmp_path, pairs_of(2))
    assert (judge.mode, outcomes(verdicts)) == ("plain", [("pass", None)] * 2)


HALVES = {
    "in plain text": "REASONING: \ud83d\nVERDICT: pass",
    "in JSON": GOOD.replace("So it is.", "\ud83d"),
    "in a key": GOOD.replace("reasoning", "\udc00"),
}


@pytest.mark.parametrize("text", HALVES.values(), ids=HALVES.keys())
def test_half_a_character_is_malformed_and_stored_nowhere(tmp_path: Path, text: str) -> None:
    """UTF-8 cannot say a lone surrogate, so a record of the reply would end in a traceback."""
    verdicts, requests, _ = judged(after_probe(lambda body: Sent(text)), tmp_path, pairs_of(1))
    assert outcomes(verdicts) == [("missing", "malformed")]
    write_records(tmp_path / "verdicts.jsonl", verdicts)
    stored = (tmp_path / "calls.jsonl").read_text("utf-8").splitlines()
    assert len(stored) == 2  # the probe's
    again, repeated, _ = judged(after_probe(lambda body: Sent(GOOD)), tmp_path, pairs_of(1))
    assert outcomes(again) == [("pass", None)] and len(repeated) == 1 < len(requests)


def test_an_escape_of_half_a_character_is_malformed(tmp_path: Path) -> None:
    """The reply itself is ASCII and is stored; its reasoning would not be."""
    escaped = GOOD.replace("So it is.", "\\ud83d")
    verdicts, _, _ = judged(after_probe(lambda body: Sent(escaped)), tmp_path, pairs_of(1))
    assert outcomes(verdicts) == [("missing", "malformed")]
    write_records(tmp_path / "verdicts.jsonl", verdicts)


def test_replies_stored_under_an_unusual_word_are_read_again(tmp_path: Path) -> None:
    """The server's own word is stored, so a table that learns it needs no new request."""
    judged(lambda body: SHAPES["eos"], tmp_path, pairs_of(1))
    lines = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert lines[-1]["finish"] == "eos"
    with serving(lambda body: Sent(status=500)) as served:
        again = judge_at(served.url, tmp_path).verdicts(pairs_of(1))
        assert outcomes(again) == [("pass", None)] and not served.bodies
