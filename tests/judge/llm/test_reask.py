"""What the judge asks again, how often, and which reason a missing verdict gets."""

import json
from pathlib import Path
from typing import Any

import pytest

from judge.judge_note import Coverage
from judge.llm.reask import NO_EVIDENCE
from judge.llm.request import OUTPUT_MODES
from tests.judge.llm.judge_factory import after_probe, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, error, output_mode, user, verdict
from tests.judge.llm.test_parse import MALFORMED

PLAIN = Sent("REASONING: rude\nVERDICT: fail")


def odd(body: dict[str, Any]) -> bool:
    """Whether this is the one prompt that the server has trouble with."""
    return "Question r1?" in user(body)


class TestReasks:
    @pytest.mark.reliability(line=21)
    @pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
    def test_malformed_once_then_good(self, tmp_path: Path, text: str) -> None:
        """On 50 rows: one re-ask each, which says why, and the verdict of the second reply."""

        def respond(body: dict[str, Any]) -> Sent:
            is_again = "could not be read" in body["messages"][-1]["content"]
            return verdict("fail") if is_again else Sent(text)

        verdicts, sent, judge = judged(after_probe(respond), tmp_path, pairs_of(50))
        assert outcomes(verdicts) == [("fail", None)] * 50
        assert len(sent) == 100 and not judge.fallbacks

    def test_truncated_gets_twice_the_room_once(self, tmp_path: Path) -> None:
        def respond(body: dict[str, Any]) -> Sent:  # whole and readable, but cut: finish is first
            cut = verdict("pass")
            cut.finish = "length"
            return verdict("fail") if body["max_tokens"] == 200 else cut

        verdicts, sent, _ = judged(after_probe(respond), tmp_path, pairs_of(1), max_tokens=100)
        assert outcomes(verdicts) == [("fail", None)]
        assert [body["max_tokens"] for body in sent] == [100, 200]

    def test_truncated_for_good(self, tmp_path: Path) -> None:
        respond = after_probe(lambda body: Sent('{"evidence": [', finish="length"))
        verdicts, sent, _ = judged(respond, tmp_path, pairs_of(1))
        assert outcomes(verdicts) == [("missing", "truncated")] and len(sent) == 2

    def test_no_room_for_the_longer_reask(self, tmp_path: Path) -> None:
        def respond(body: dict[str, Any]) -> Sent:
            if body["max_tokens"] > 100:
                return error(400, "This model's maximum context length is 2048 tokens.")
            return Sent("x", finish="length")

        verdicts, _, _ = judged(after_probe(respond), tmp_path, pairs_of(1), max_tokens=100)
        assert outcomes(verdicts) == [("missing", "truncated")]

    def test_invented_evidence_is_flagged_and_counts(self, tmp_path: Path) -> None:
        respond = after_probe(lambda body: verdict("fail", ("никто так не говорил",)))
        verdicts, sent, _ = judged(respond, tmp_path, pairs_of(1))
        assert outcomes(verdicts) == [("fail", None)] and len(sent) == 2
        assert verdicts[0].note.startswith(NO_EVIDENCE)
        assert "никто" not in sent[1]["messages"][-1]["content"]  # no data among instructions

    def test_invented_evidence_mended(self, tmp_path: Path) -> None:
        replies = iter(
            [verdict("pass", ("это чистая выдумка",)), verdict("fail", ("да, ПОЖАЛУЙСТА",))]
        )
        verdicts, _, _ = judged(after_probe(lambda b: next(replies)), tmp_path, pairs_of(1))
        assert outcomes(verdicts) == [("fail", None)] and verdicts[0].note == "So it is."

    @pytest.mark.parametrize(
        ("sent", "reason", "requests"),
        [
            (Sent("x", finish="content_filter"), "refused", 1),
            (Sent(refusal="I cannot help with that."), "refused", 1),
            (error(400, "filtered", "content_filter"), "refused", 1),
            (Sent(""), "empty", 5),  # one re-ask, then each looser form once
            (error(400, "maximum context length is 2048 tokens"), "overflow", 1),
            (error(413), "overflow", 1),
            (error(400, "strange"), "transport", 4),  # in every form
            (error(503), "transport", 6),
            (Sent(raw=b"<html>oops</html>"), "transport", 6),
            (Sent(raw=b'{"choices": []}'), "transport", 6),
            (Sent(headers={"content_encoding": "gzip"}), "transport", 6),
            (Sent(headers={"transfer_encoding": "chunked"}), "transport", 6),  # what comes is not
            (Sent(headers={"x y": "no header"}), "transport", 6),
            (Sent(drop=True), "transport", 6),
        ],
    )
    def test_reasons(self, tmp_path: Path, sent: Sent, reason: str, requests: int) -> None:
        verdicts, asked, _ = judged(after_probe(lambda body: sent), tmp_path, pairs_of(1))
        assert outcomes(verdicts) == [("missing", reason)] and len(asked) == requests


@pytest.mark.parametrize("good", OUTPUT_MODES[1:])
@pytest.mark.parametrize("trouble", [Sent("no form at all"), error(400, "unsupported"), Sent("")])
def test_falls_to_the_first_mode_that_does(tmp_path: Path, good: str, trouble: Sent) -> None:
    def respond(body: dict[str, Any]) -> Sent:
        if odd(body) and output_mode(body) != good:
            return trouble
        return PLAIN if output_mode(body) == "plain" else verdict("fail")

    verdicts, sent, judge = judged(after_probe(respond), tmp_path, pairs_of(3))
    assert outcomes(verdicts) == [("fail", None)] * 3
    rungs = OUTPUT_MODES[1 : OUTPUT_MODES.index(good) + 1]
    assert judge.mode == "json_schema" and dict(judge.fallbacks) == dict.fromkeys(rungs, 1)
    mine = [output_mode(body) for body in sent if odd(body)]
    again = ["json_schema"] if trouble.status == 200 else []  # one re-ask, of the first form only
    assert mine == ["json_schema", *again, *rungs]
    assert [output_mode(body) for body in sent if not odd(body)] == ["json_schema"] * 2

    again_verdicts, again_sent, again_judge = judged(lambda b: error(500), tmp_path, pairs_of(3))
    assert (again_verdicts, again_sent) == (verdicts, [])  # refusals are stored like replies
    assert again_judge.fallbacks == judge.fallbacks


@pytest.mark.reliability(line=21)
@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize(("top", "requests"), [("plain", 2), ("json_schema", 5)])
def test_malformed_for_good_is_missing(tmp_path: Path, text: str, top: str, requests: int) -> None:
    """One re-ask, then missing; below the top of the ladder, each looser form once before that."""

    def probe(body: dict[str, Any]) -> Sent:
        if output_mode(body) == "plain":  # asked for only where each stricter form is refused
            return PLAIN
        return verdict() if top == "json_schema" else error(400)

    def respond(body: dict[str, Any]) -> Sent:
        return Sent(text) if "Question r" in user(body) else probe(body)

    verdicts, sent, judge = judged(respond, tmp_path, pairs_of(50))
    assert outcomes(verdicts) == [("missing", "malformed")] * 50
    assert judge.mode == top and len(sent) == 50 * requests
    assert judge.fallbacks.total() == (0 if top == "plain" else 150)


def test_the_reason_is_that_of_the_reply_not_of_the_refused_forms(tmp_path: Path) -> None:
    respond = after_probe(lambda b: Sent("?") if output_mode(b) == "json_schema" else error(400))
    verdicts, sent, _ = judged(respond, tmp_path, pairs_of(1))
    assert outcomes(verdicts) == [("missing", "malformed")] and len(sent) == 5


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (error(503), "transport"),
        (error(400, "maximum context length is 9"), "overflow"),
        (Sent("x", finish="content_filter"), "refused"),
        (Sent("x", finish="length"), "truncated"),
        (verdict("cannot_judge"), "cannot_judge"),
    ],
)
def test_what_no_form_can_help_does_not_fall(tmp_path: Path, sent: Sent, reason: str) -> None:
    verdicts, asked, judge = judged(after_probe(lambda body: sent), tmp_path, pairs_of(1))
    assert outcomes(verdicts) == [("missing", reason)] and not judge.fallbacks
    assert {output_mode(body) for body in asked} == {"json_schema"}


def test_a_quote_of_two_words_is_none(tmp_path: Path) -> None:
    """It would be found in almost any text, so nothing is asked again because of it."""
    respond = after_probe(lambda body: verdict("pass", ("чистая выдумка",)))
    verdicts, sent, judge = judged(respond, tmp_path, pairs_of(1))
    assert outcomes(verdicts) == [("pass", None)]
    assert (judge.unfounded, len(sent)) == (0, 1)


def test_a_pass_whose_reasoning_says_fail_counts_and_is_counted(tmp_path: Path) -> None:
    def respond(body: dict[str, Any]) -> Sent:
        reasoning = "It fails to be polite." if odd(body) else "It is polite."
        return Sent(json.dumps({"evidence": [], "reasoning": reasoning, "verdict": "pass"}))

    verdicts, sent, judge = judged(after_probe(respond), tmp_path, pairs_of(3))
    assert outcomes(verdicts) == [("pass", None)] * 3
    assert (judge.contradictory, len(sent)) == (1, 3)
    coverage = Coverage.of(verdicts, 0, judge.contradictory)
    assert "; passes whose reasoning says fail: 1" in coverage.summary


def test_unfounded_evidence_is_counted_and_does_not_fall(tmp_path: Path) -> None:
    respond = after_probe(lambda b: verdict("pass", ("это чистая выдумка",) if odd(b) else ()))
    verdicts, sent, judge = judged(respond, tmp_path, pairs_of(3))
    assert outcomes(verdicts) == [("pass", None)] * 3
    assert (judge.unfounded, len(sent), judge.fallbacks.total()) == (1, 4, 0)
