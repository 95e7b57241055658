"""The three ways of asking, by the number of requests that a real server sees of each."""

import json
from pathlib import Path
from typing import Any

import pytest

from judge.llm.cache import CachedReply, ReplyCache
from judge.llm.reply_source import AskPolicy
from tests.judge.llm.judge_factory import after_probe, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.server import Respond, Sent, error, serving, user, verdict

Body = dict[str, Any]
NOWHERE = "http://127.0.0.1:9/v1"
CUT = verdict("pass")  # whole to look at, and yet cut
CUT.finish = "length"
TROUBLE = {
    "r1": Sent("no form"),
    "r2": verdict("cannot_judge"),
    "r3": error(503),
    "r4": CUT,
    "r5": Sent("x", finish="content_filter"),
    "r6": error(400, "maximum context length is 9"),
}
FIRST = [
    ("pass", None),
    ("missing", "malformed"),
    ("missing", "cannot_judge"),
    ("missing", "transport"),
    ("missing", "truncated"),
    ("missing", "refused"),
    ("missing", "overflow"),
]


def troubled(body: Body) -> Sent:
    return next(
        (sent for row, sent in TROUBLE.items() if f"Question {row}?" in user(body)), verdict()
    )


def rows_of(sent: list[Body]) -> list[str]:
    return sorted(
        {row for row in (f"r{n}" for n in range(8)) for b in sent if f" {row}?" in user(b)}
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder with what a first run left: every kind of missing verdict."""
    verdicts, _, _ = judged(after_probe(troubled), tmp_path, pairs_of(7))
    assert outcomes(verdicts) == FIRST
    return tmp_path


class TestNew:
    def test_asks_only_what_got_no_reply_or_was_never_asked(self, store: Path) -> None:
        verdicts, sent, judge = judged(lambda body: verdict(), store, pairs_of(8))
        assert rows_of(sent) == ["r3", "r7"] and len(sent) == judge.usage.calls == 2
        assert outcomes(verdicts) == [*FIRST[:3], ("pass", None), *FIRST[4:], ("pass", None)]

    def test_a_third_time_asks_nothing(self, store: Path) -> None:
        judged(lambda body: verdict(), store, pairs_of(8))
        _, sent, judge = judged(lambda body: verdict(), store, pairs_of(8))
        assert (sent, judge.usage.calls) == ([], 0)


class TestMissing:
    def test_asks_all_that_is_missing_and_nothing_that_was_judged(self, store: Path) -> None:
        respond: Respond = lambda body: verdict("fail")  # noqa: E731 - r0 would turn
        verdicts, sent, _ = judged(respond, store, pairs_of(8), asks="missing")
        assert rows_of(sent) == ["r1", "r3", "r4", "r5", "r6", "r7"] and len(sent) == 6
        failed = ("fail", None)
        assert outcomes(verdicts) == [("pass", None), failed, FIRST[2], *[failed] * 5]
        later, sent, _ = judged(respond, store, pairs_of(8))
        assert (later, sent) == (verdicts, [])  # of two replies to one request, the later counts

    def test_what_stays_missing_keeps_its_reason(self, store: Path) -> None:
        verdicts, _, _ = judged(troubled, store, pairs_of(7), asks="missing")
        assert outcomes(verdicts) == FIRST


class TestNone:
    def test_needs_no_server(self, store: Path) -> None:
        """All that is stored reads as it did; what is not stored was not run."""
        judge = judge_at(NOWHERE, store)
        before = (store / "calls.jsonl").read_bytes()
        not_run = ("missing", "not_run")
        expected = [*FIRST[:3], not_run, *FIRST[4:], not_run]
        assert outcomes(judge.verdicts(pairs_of(8), "none")) == expected
        assert (judge.usage.calls, judge.mode) == (0, "json_schema")
        assert (store / "calls.jsonl").read_bytes() == before

    def test_reads_while_another_process_writes(self, store: Path) -> None:
        cache = ReplyCache(store / "calls.jsonl")
        assert outcomes(judge_at(NOWHERE, store).verdicts(pairs_of(1), "none")) == FIRST[:1]
        cache.close()

    def test_nothing_is_stored(self, tmp_path: Path) -> None:
        judge = judge_at(NOWHERE, tmp_path)
        verdicts = judge.verdicts(pairs_of(2), "none")
        assert outcomes(verdicts) == [("missing", "not_run")] * 2 and judge.mode == "not asked"
        assert not list(tmp_path.iterdir())

    def test_a_changed_answer_has_no_reply(self, store: Path) -> None:
        verdicts = judge_at(NOWHERE, store).verdicts(pairs_of(1, "Иначе"), "none")
        assert outcomes(verdicts) == [("missing", "not_run")]


def test_raw_texts_of_the_missing_are_kept_and_never_taken_for_answers(store: Path) -> None:
    lines = [json.loads(line) for line in (store / "calls.jsonl").read_text().splitlines()]
    records = [CachedReply.model_validate(line) for line in lines]
    of_row = {
        row: [record for record in records if record.row == row] for row in ("r1", "r4", "r5", "r6")
    }
    assert [record.text for record in of_row["r1"]] == ["no form"] * 5  # a re-ask, and three forms
    assert [record.finish for record in of_row["r4"]] == ["length"] * 2
    assert json.loads(of_row["r4"][0].text)["verdict"] == "pass"  # and yet it is missing
    assert [record.finish for record in of_row["r5"]] == ["content_filter"]
    assert [record.rejected for record in of_row["r6"]] == ["ContextOverflow"]
    assert not [record for record in records if record.row == "r3"]  # no reply, nothing to keep


@pytest.mark.parametrize("asks", ["new", "missing"])
def test_killed_between_reply_and_reask(tmp_path: Path, asks: AskPolicy) -> None:
    """A question that was cut short goes on where it was: only the re-ask is asked."""
    replies = iter([Sent("no form"), error(401)])
    with pytest.raises(Exception, match="HTTP 401"):
        judged(after_probe(lambda body: next(replies)), tmp_path, pairs_of(1))
    with serving(lambda body: verdict()) as served:
        verdicts = judge_at(served.url, tmp_path).verdicts(pairs_of(1), "new")
        assert outcomes(verdicts) == [("pass", None)] and len(served.bodies) == 1
        assert len(served.bodies[0]["messages"]) == 4
        assert judge_at(served.url, tmp_path).verdicts(pairs_of(1), asks) == verdicts
        assert len(served.bodies) == 1
