"""One question whose form of reply breaks: it falls down the ladder, the others stay."""

from pathlib import Path
from typing import Any

import pytest

from judge.llm.request import OUTPUT_MODES
from tests.judge.llm.runs import after_probe, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, error, user, verdict
from tests.judge.llm.test_parse import MALFORMED

Body = dict[str, Any]
PLAIN = Sent("REASONING: rude\nVERDICT: fail")


def form(body: Body) -> str:
    """The output mode of a request."""
    if "structured_outputs" in body:
        return "structured_outputs"
    return str(body.get("response_format", {"type": "plain"})["type"])


def odd(body: Body) -> bool:
    """Whether this is the one question that the server has trouble with."""
    return "Question r1?" in user(body)


@pytest.mark.parametrize("good", OUTPUT_MODES[1:])
@pytest.mark.parametrize("trouble", [Sent("no form at all"), error(400, "unsupported"), Sent("")])
def test_falls_to_the_first_mode_that_does(tmp_path: Path, good: str, trouble: Sent) -> None:
    def respond(body: Body) -> Sent:
        if odd(body) and form(body) != good:
            return trouble
        return PLAIN if form(body) == "plain" else verdict("fail")

    verdicts, sent, judge = judged(after_probe(respond), tmp_path, pairs_of(3))
    assert outcomes(verdicts) == [("fail", None)] * 3
    rungs = OUTPUT_MODES[1 : OUTPUT_MODES.index(good) + 1]
    assert judge.mode == "json_schema" and dict(judge.fallbacks) == dict.fromkeys(rungs, 1)
    mine = [form(body) for body in sent if odd(body)]
    again = ["json_schema"] if trouble.status == 200 else []  # one re-ask, of the first form only
    assert mine == ["json_schema", *again, *rungs]
    assert [form(body) for body in sent if not odd(body)] == ["json_schema"] * 2

    again_verdicts, again_sent, again_judge = judged(lambda b: error(500), tmp_path, pairs_of(3))
    assert (again_verdicts, again_sent) == (verdicts, [])  # refusals are stored like replies
    assert again_judge.fallbacks == judge.fallbacks


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize(("top", "requests"), [("plain", 2), ("json_schema", 5)])
def test_malformed_for_good_is_missing(tmp_path: Path, text: str, top: str, requests: int) -> None:
    """One re-ask, then missing; below the top of the ladder, each looser form once before that."""

    def probe(body: Body) -> Sent:
        return verdict() if top == "json_schema" else error(400)

    def respond(body: Body) -> Sent:
        return Sent(text) if "Question r" in user(body) else probe(body)

    verdicts, sent, judge = judged(respond, tmp_path, pairs_of(50))
    assert outcomes(verdicts) == [("missing", "malformed")] * 50
    assert judge.mode == top and len(sent) == 50 * requests
    assert judge.fallbacks.total() == (0 if top == "plain" else 150)


def test_the_reason_is_that_of_the_reply_not_of_the_refused_forms(tmp_path: Path) -> None:
    respond = after_probe(lambda b: Sent("?") if form(b) == "json_schema" else error(400))
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
    assert {form(body) for body in asked} == {"json_schema"}


def test_unfounded_evidence_is_counted_and_does_not_fall(tmp_path: Path) -> None:
    respond = after_probe(lambda b: verdict("pass", ("выдумка",) if odd(b) else ()))
    verdicts, sent, judge = judged(respond, tmp_path, pairs_of(3))
    assert outcomes(verdicts) == [("pass", None)] * 3
    assert (judge.unfounded, len(sent), judge.fallbacks.total()) == (1, 4, 0)
