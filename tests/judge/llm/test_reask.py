"""What the judge asks again, how often, and which reason a missing verdict gets."""

from pathlib import Path
from typing import Any

import pytest

from judge.llm.reask import NO_EVIDENCE
from tests.judge.llm.runs import after_probe, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, error, verdict
from tests.judge.llm.test_parse import MALFORMED


class TestReasks:
    @pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
    def test_malformed_once_then_good(self, tmp_path: Path, text: str) -> None:
        replies = iter([Sent(text), verdict("fail")])
        verdicts, sent, judge = judged(after_probe(lambda b: next(replies)), tmp_path, pairs_of(1))
        assert outcomes(verdicts) == [("fail", None)] and len(sent) == 2 and not judge.fallbacks
        again = sent[1]["messages"][-1]["content"]
        assert "could not be read" in again

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
        replies = iter([verdict("pass", ("выдумка",)), verdict("fail", ("да, ПОЖАЛУЙСТА",))])
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
