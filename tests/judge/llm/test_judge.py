"""The judge against a real local server: stages, sharing, storing, faults, missing verdicts."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from config.errors import DataError
from judge.llm.cache import ReplyCache
from judge.metrics.scores import score
from judge.metrics.verdict_table import build_verdict_table
from tests.judge.factories import llm_check, make_answer, make_row, make_rule, make_rules
from tests.judge.llm.judge_factory import POLITE, after_probe, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, error, serving, user, verdict


class TestStages:
    def test_pass_fail_and_cannot_judge(self, tmp_path: Path) -> None:
        words = iter(["pass", "fail", "cannot_judge"])
        respond = after_probe(lambda body: verdict(next(words)))
        verdicts, sent, judge = judged(respond, tmp_path, pairs_of(3))
        assert Counter(outcomes(verdicts)) == Counter(
            [("pass", None), ("fail", None), ("missing", "cannot_judge")]
        )
        assert {v.by for v in verdicts} == {"llm"} and verdicts[0].note == "So it is."
        assert (judge.mode, judge.usage.calls, len(sent)) == ("json_schema", 4, 3)

    def test_when_due_is_asked_once_for_all_arms_and_sees_no_answer(self, tmp_path: Path) -> None:
        rules = make_rules(
            make_rule(
                {"type": "contains", "text": "нет"},
                applies={"llm": "Is it off topic?"},
                converse=True,
            )
        )
        rows = [make_row("r0"), make_row("r1")]
        pairs = [(row, make_answer(f"{arm} нет", row.id, arm)) for row in rows for arm in "abc"]
        respond = after_probe(lambda body: verdict("yes" if "Question r0" in user(body) else "no"))
        verdicts, sent, _ = judged(respond, tmp_path, pairs, rules)
        assert len(sent) == 2
        assert not any("[begin answer" in user(body) for body in sent)
        assert outcomes(verdicts[:2]) == [("pass", None), ("not_applicable", None)]
        assert outcomes(verdicts[6:8]) == [("not_applicable", None), ("fail", None)]

    def test_unknown_applicability_is_missing(self, tmp_path: Path) -> None:
        rules = make_rules(make_rule({"type": "json"}, applies={"llm": "Is it?"}))
        respond = after_probe(lambda body: verdict("cannot_judge"))
        verdicts, _, _ = judged(respond, tmp_path, pairs_of(1), rules)
        assert outcomes(verdicts) == [("missing", "cannot_judge")]

    def test_undue_llm_rule_passes_if_not_obeyed(self, tmp_path: Path) -> None:
        due = {"code": [{"field": "labels", "matches": "off"}]}
        rules = make_rules(make_rule(llm_check(), id="refuse", applies=due, converse=True))
        row = make_row("r0", labels=("good",))
        respond = after_probe(lambda body: verdict("fail"))
        verdicts, sent, _ = judged(respond, tmp_path, [(row, make_answer("да", "r0"))], rules)
        assert outcomes(verdicts) == [("not_applicable", None), ("pass", None)] and len(sent) == 1

    def test_what_needs_no_model_is_not_asked(self, tmp_path: Path) -> None:
        row = make_row("r0")
        pairs = [
            (row, make_answer(" ", "r0", "a")),
            (row, make_answer("", "r0", "b", finish="too_long")),
            (row, make_answer("да", "r0", "c")),
        ]
        verdicts, sent, judge = judged(
            after_probe(lambda b: verdict()), tmp_path, pairs, arms=("a", "b")
        )
        assert outcomes(verdicts) == [
            ("fail", None),
            ("missing", "overflow"),
            ("missing", "not_run"),
        ]
        assert (sent, judge.usage.calls, judge.mode) == ([], 0, "not asked")

    def test_message_order(self, tmp_path: Path) -> None:
        rows = [(make_row("r0", ("Отрывок.",)), make_answer("Ответ тут", "r0"))]
        _, sent, _ = judged(after_probe(lambda body: verdict()), tmp_path, rows)
        assert [m["role"] for m in sent[0]["messages"]] == ["system", "user"]
        places = [
            user(sent[0]).index(t) for t in ("Question r0", "Отрывок", "Ответ тут", "Polite.")
        ]
        assert places == sorted(places)
        keys = list(sent[0]["response_format"]["json_schema"]["schema"]["properties"])
        assert keys == ["evidence", "reasoning", "verdict"]


class TestStore:
    def test_a_rerun_asks_nothing(self, tmp_path: Path) -> None:
        calls = Counter[str]()

        def respond(body: dict[str, Any]) -> Sent:  # every question is unreadable once
            calls[user(body)] += 1
            return Sent("pass, I think") if calls[user(body)] == 1 else verdict("fail")

        first, sent, _ = judged(after_probe(respond), tmp_path, pairs_of(5))
        assert len(sent) == 10
        with serving(respond) as served:
            judge = judge_at(served.url, tmp_path)
            assert judge.verdicts(pairs_of(5)) == first
            assert (served.bodies, judge.usage.calls, judge.mode) == ([], 0, "json_schema")

    def test_equal_answers_of_two_arms_are_asked_once(self, tmp_path: Path) -> None:
        row = make_row("r0")
        pairs = [(row, make_answer("Одно и то же", "r0", arm)) for arm in ("teacher", "student/a")]
        verdicts, sent, _ = judged(after_probe(lambda body: verdict()), tmp_path, pairs)
        assert len(sent) == 1 and [v.arm for v in verdicts] == ["teacher", "student/a"]

    def test_raw_replies_are_kept(self, tmp_path: Path) -> None:
        judged(after_probe(lambda body: verdict("fail")), tmp_path, pairs_of(1))
        lines = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
        assert [line["rule"] for line in lines] == ["probe", "probe", "polite"]
        assert json.loads(lines[2]["text"])["verdict"] == "fail"

    def test_a_changed_answer_is_asked(self, tmp_path: Path) -> None:
        judged(after_probe(lambda body: verdict()), tmp_path, pairs_of(2))
        _, sent, _ = judged(after_probe(lambda body: verdict()), tmp_path, pairs_of(2, "Иначе"))
        assert len(sent) == 2

    def test_two_judges_on_one_file(self, tmp_path: Path) -> None:
        store = ReplyCache(tmp_path / "calls.jsonl")
        with serving(lambda body: verdict()) as served, pytest.raises(DataError, match="process"):
            judge_at(served.url, tmp_path).verdicts(pairs_of(1))
        store.close()


ARMS = ("base", "teacher", "student/a", "student/b", "student/c")
ROWS = [make_row(f"r{number}") for number in range(2000)]
CUT = Sent('{"evidence": [], "reasoning": "", "verdict": "pass"}', finish="length")
FAULTS = (error(503), Sent(drop=True), Sent("pass, surely"), CUT, Sent(""))


def one_percent_faulty(body: dict[str, Any]) -> Sent:
    """One question in a hundred always fails; of the others every fourth answer breaks the rule."""
    number = int(user(body).split("Question r")[1].split("?")[0])
    if number % 100 == 7:
        return FAULTS[number // 100 % len(FAULTS)]
    return verdict("fail" if number % 4 == 0 else "pass")


def test_one_percent_of_ten_thousand_reads_as_one_percent_missing(tmp_path: Path) -> None:
    """Five arms with equal answers: 2,000 questions to the server, 10,000 verdicts."""
    pairs = [(row, make_answer("Да.", row.id, arm)) for arm in ARMS for row in ROWS]
    verdicts, _, _ = judged(after_probe(one_percent_faulty), tmp_path, pairs)
    assert len(verdicts) == 10_000
    assert sum(verdict.outcome == "missing" for verdict in verdicts) == 100
    board = build_verdict_table(POLITE, ROWS, verdicts)
    reasons = {"transport": 8, "malformed": 4, "truncated": 4, "empty": 4}
    scores = score(POLITE, ROWS, verdicts).arms
    for arm in ARMS:
        rule_score = scores[arm].rules["polite"]
        assert (rule_score.applicable, rule_score.scored, rule_score.missing) == (
            2000,
            1980,
            reasons,
        )
        assert rule_score.passes == 1480 and rule_score.rate == pytest.approx(1480 / 1980)
        assert (rule_score.low_bound, rule_score.high_bound) == (1480 / 2000, 1500 / 2000)
        assert scores[arm].strict.missing == 20 and scores[arm].strict.n == 1980
        lost = {key[0] for key in board.verdicts[arm] if key not in board.decided(arm, "strict")}
        assert lost == {f"r{number}" for number in range(7, 2000, 100)}
