"""Replies about several rules that are not as they should be: what is left open is calls alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from judge.llm.reask import NO_EVIDENCE
from judge.llm.reply_source import AskPolicy
from tests.judge.llm.judge_factory import after_probe, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.rule_server import (
    alone,
    first_time,
    holding,
    judgement,
    kind_rules,
    lines,
    reply,
    rules_of,
    together,
)
from tests.judge.llm.server import Sent, error, serving
from tests.judge.llm.test_parse import MALFORMED

Body = dict[str, Any]
FOUR = kind_rules("abcd")
PASS, FAIL = ("pass", None), ("fail", None)
# shapes that are no JSON, or no JSON that may be read: with them the whole reply is unreadable
WHOLE = {
    "prose",
    "cut",
    "two objects",
    "text after",
    "single quotes",
    "verdict twice",
    "not a number",
}


def run(
    respond: Any, path: Path, asks: AskPolicy = "new", **settings: Any
) -> tuple[list[tuple[str, str | None]], list[str], Any]:
    """Outcomes of the four rules on one answer, who was calls about together, the judge."""
    settings = {"rules_per_call": 4, **settings}
    verdicts, sent, judge = judged(respond, path, pairs_of(1), FOUR, asks, **settings)
    return outcomes(verdicts), ["".join(rules_of(body)) for body in sent], judge


def said_alone(word: str) -> Any:
    return lambda row, rule: word


def good_but(rule: str, raw: str) -> Sent:
    """A reply that passes all four, but for the raw text in one rule's place."""
    values = {name: json.dumps(judgement()) for name in "abcd"} | {rule: raw}
    return Sent("{" + ", ".join(f'"{name}": {value}' for name, value in values.items()) + "}")


class TestOneRuleIsMalformed:
    @pytest.mark.parametrize("shape", MALFORMED)
    def test_it_is_asked_alone_and_the_others_keep_their_verdicts(
        self, tmp_path: Path, shape: str
    ) -> None:
        """Alone every rule fails: who is still passed has kept the verdict of the batch."""
        respond = first_time(lambda b: good_but("c", MALFORMED[shape]), said_alone("fail"))
        results, sent, judge = run(respond, tmp_path)
        if shape in WHOLE:
            assert results == [FAIL] * 4 and sent == ["abcd", *"abcd"]
        else:
            assert results == [PASS, PASS, FAIL, PASS] and sent == ["abcd", "c"]
        assert not judge.fallbacks

    @pytest.mark.parametrize("shape", sorted(MALFORMED.keys() - WHOLE))
    def test_for_good(self, tmp_path: Path, shape: str) -> None:
        """Alone it is re-calls once and falls down the ladder, as ever; then it is missing."""

        def respond(body: Body) -> Sent:
            return Sent(MALFORMED[shape]) if rules_of(body) == ["c"] else good_but("c", "0")

        results, sent, judge = run(after_probe(respond), tmp_path)
        assert results == [PASS, PASS, ("missing", "malformed"), PASS]
        assert sent == ["abcd", *"ccccc"] and judge.fallbacks.total() == 3

    def test_there_are_nine_and_seven(self) -> None:
        assert len(WHOLE) == 7 and len(MALFORMED.keys() - WHOLE) == 9

    @pytest.mark.parametrize(
        "text",
        [
            lines("x", "pass"),  # no such rule
            "VERDICT c:",
            "VERDICT c: splendid",
            "VERDICT: pass",
            "VERDICT cc: pass",
            "VERDICT c_: pass",
            "VERDICT _c: pass",
            "VERDICT ab c: pass",
        ],
    )
    def test_in_plain_text(self, tmp_path: Path, text: str) -> None:
        def batch(body: Body) -> Sent:
            return Sent(
                "\n".join([lines("a", "pass"), lines("b", "pass"), text, lines("d", "pass")])
            )

        def respond(body: Body) -> Sent:
            return batch(body) if len(rules_of(body)) > 1 else reply(body, said_alone("fail"))

        results, sent, judge = run(holding("plain", respond), tmp_path)
        assert judge.mode == "plain"
        assert results == [PASS, PASS, FAIL, PASS] and sent == ["abcd", "c"]


def test_text_behind_a_verdict_may_take_it_back(tmp_path: Path) -> None:
    """The sentence names rule c, but stands behind the verdict on b: both are asked alone."""

    def respond(body: Body) -> Sent:
        if len(rules_of(body)) == 1:
            return reply(body, said_alone("fail"))
        sentence = "I say VERDICT c: pass"
        parts = [lines("a", "pass"), lines("b", "pass"), sentence, lines("d", "pass")]
        return Sent("\n".join(parts))

    results, sent, _ = run(holding("plain", respond), tmp_path)
    assert results == [PASS, FAIL, FAIL, PASS] and sent == ["abcd", "b", "c"]


class TestIds:
    def test_their_order_means_nothing_and_unknown_ones_count_for_nothing(
        self, tmp_path: Path
    ) -> None:
        words = {"a": "pass", "b": "fail", "c": "cannot_judge", "d": "fail"}
        expected = [PASS, FAIL, ("missing", "cannot_judge"), FAIL]
        shuffled = {rule: judgement(words[rule]) for rule in "dbca"}
        results, sent, _ = run(
            first_time(lambda b: together({"zz": judgement(), **shuffled, "A": 1})),
            tmp_path / "json",
        )
        assert results == expected and sent == ["abcd"]
        text = "\n".join(lines(rule, words.get(rule, "pass")) for rule in ["zz", *"dbca", "e"])
        results, sent, _ = run(holding("plain", lambda b: Sent(text)), tmp_path / "plain")
        assert results == expected and sent == ["abcd"]

    def test_a_missing_one_is_asked_alone(self, tmp_path: Path) -> None:
        batch = together({rule: judgement() for rule in "abd"})
        results, sent, _ = run(first_time(lambda b: batch, said_alone("fail")), tmp_path)
        assert results == [PASS, PASS, FAIL, PASS] and sent == ["abcd", "c"]

    def test_one_given_twice_makes_the_json_unreadable(self, tmp_path: Path) -> None:
        """Either of the two could be meant."""
        twice = good_but("c", json.dumps(judgement()) + ', "c": ' + json.dumps(judgement("fail")))
        results, sent, _ = run(first_time(lambda b: twice, said_alone("fail")), tmp_path)
        assert results == [FAIL] * 4 and sent == ["abcd", *"abcd"]

    def test_in_plain_text_the_last_line_counts(self, tmp_path: Path) -> None:
        text = "\n".join(map(lines, "abcdab", ["pass", "pass", "fail", "pass", "fail", "pass"]))
        results, sent, _ = run(holding("plain", lambda b: Sent(text)), tmp_path)
        assert results == [FAIL, PASS, FAIL, PASS] and sent == ["abcd"]

    def test_a_form_for_one_rule_is_none_for_several(self, tmp_path: Path) -> None:
        results, sent, _ = run(first_time(lambda b: alone("pass"), said_alone("fail")), tmp_path)
        assert results == [FAIL] * 4 and len(sent) == 5


class TestEvidence:
    def test_is_held_against_the_data_rule_by_rule(self, tmp_path: Path) -> None:
        """The invented piece costs its own rule one question; what is quoted well stays."""
        values = {rule: judgement("pass", ("будьте так добры",)) for rule in "abd"}
        batch = together({**values, "c": judgement("pass", ("это чистая выдумка",))})
        respond = first_time(lambda b: batch, said_alone("fail"))
        pairs = pairs_of(1, "Да, будьте так добры.")
        verdicts, sent, judge = judged(respond, tmp_path, pairs, FOUR, rules_per_call=4)
        assert outcomes(verdicts) == [PASS, PASS, FAIL, PASS]
        assert ["".join(rules_of(body)) for body in sent] == ["abcd", "c"]
        assert judge.unfounded == 0

    def test_invented_for_good_is_flagged(self, tmp_path: Path) -> None:
        invented = judgement("fail", ("это чистая выдумка",))

        def respond(body: Body) -> Sent:
            several = {**{rule: judgement() for rule in "abd"}, "c": invented}
            return together(several if len(rules_of(body)) > 1 else invented)

        verdicts, sent, judge = judged(
            after_probe(respond), tmp_path, pairs_of(1), FOUR, rules_per_call=4
        )
        assert outcomes(verdicts) == [PASS, PASS, FAIL, PASS] and len(sent) == 3
        assert verdicts[2].note.startswith(NO_EVIDENCE) and judge.unfounded == 1


def test_a_pass_whose_reasoning_says_fail_is_counted(tmp_path: Path) -> None:
    values = {rule: judgement() for rule in "abd"}
    against = judgement() | {"reasoning": "Правило нарушено."}
    batch = together({**values, "c": against})
    results, sent, judge = run(first_time(lambda b: batch), tmp_path)
    assert results == [PASS] * 4 and (judge.contradictory, len(sent)) == (1, 1)


class TestTheWholeReplyFails:
    @pytest.mark.parametrize(
        "sent",
        [
            Sent(good_but("c", "0").text, finish="length"),  # whole to look at, but cut
            Sent("x", finish="content_filter"),
            Sent(refusal="I cannot help with that."),
            Sent(""),
            Sent("[]"),
            error(400, "schema too large"),
            error(400, "maximum context length is 2048 tokens"),
            error(413),
        ],
    )
    def test_each_rule_is_asked_alone(self, tmp_path: Path, sent: Sent) -> None:
        """One call more than without batches, and no more; all of it is stored."""
        respond = first_time(lambda b: sent, said_alone("fail"))
        results, calls, judge = run(respond, tmp_path)
        assert results == [FAIL] * 4 and calls == ["abcd", *"abcd"] and not judge.fallbacks
        assert run(respond, tmp_path)[:2] == (results, [])

    def test_without_a_reply_there_is_nothing_to_ask_alone(self, tmp_path: Path) -> None:
        results, calls, _ = run(first_time(lambda b: error(503)), tmp_path)
        assert results == [("missing", "transport")] * 4 and calls == ["abcd"] * 6
        assert run(first_time(lambda b: good_but("c", "0")), tmp_path)[1] == ["abcd", "c"]


class TestWays:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Path:
        """What a first run left: c has no verdict, and had none alone."""

        def respond(body: Body) -> Sent:
            return (
                Sent("x", finish="content_filter")
                if rules_of(body) == ["c"]
                else good_but("c", "0")
            )

        assert run(after_probe(respond), tmp_path)[0][2] == ("missing", "refused")
        return tmp_path

    def test_new_asks_nothing(self, store: Path) -> None:
        results, sent, _ = run(first_time(lambda b: error(401)), store)
        assert results == [PASS, PASS, ("missing", "refused"), PASS] and sent == []

    def test_missing_asks_about_the_one_that_is_missing(self, store: Path) -> None:
        judge = judge_at("http://127.0.0.1:9/v1", store, FOUR, rules_per_call=4)
        assert judge.plan(pairs_of(1), "missing").calls == 1
        results, sent, _ = run(
            first_time(lambda b: error(401), said_alone("fail")), store, "missing"
        )
        assert results == [PASS, PASS, FAIL, PASS] and sent == ["c"]

    def test_none_reads_again(self, store: Path) -> None:
        judge = judge_at("http://127.0.0.1:9/v1", store, FOUR, rules_per_call=4)
        results = outcomes(judge.verdicts(pairs_of(1), "none"))
        assert results == [PASS, PASS, ("missing", "refused"), PASS]
        other = judge.verdicts(pairs_of(1, "Иначе."), "none")
        assert outcomes(other) == [("missing", "not_run")] * 4

    def test_killed_before_the_rule_was_asked_alone(self, tmp_path: Path) -> None:
        replies = iter([good_but("c", "0"), error(401)])
        with pytest.raises(Exception, match="HTTP 401"):
            run(after_probe(lambda b: next(replies)), tmp_path)
        with serving(lambda b: alone("fail")) as served:
            judge = judge_at(served.url, tmp_path, FOUR, rules_per_call=4)
            assert judge.plan(pairs_of(1)).calls == 1
            assert outcomes(judge.verdicts(pairs_of(1))) == [PASS, PASS, FAIL, PASS]
            assert [rules_of(body) for body in served.bodies] == [["c"]]
