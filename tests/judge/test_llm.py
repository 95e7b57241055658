"""The judge against a real local server: stages, sharing, storing, faults, missing verdicts."""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.errors import DataError, SetupError
from config.schema import JudgeSettings, ServerSettings
from data.answers import Answer
from data.rows import Row
from judge.asked import AskedStore
from judge.dialogue import NO_EVIDENCE
from judge.llm import LlmJudge
from judge.transport import Patience
from judge.verdicts import Verdict
from prompts.rules import RuleFile
from tests.judge.made import PROMPT, llm_check, make_answer, make_row, make_rule, make_rules
from tests.judge.server import Respond, Sent, error, is_probe, serving, user, verdict
from tests.judge.test_replies import MALFORMED

POLITE = make_rules(make_rule(llm_check(), id="polite"))
QUICK = Patience(attempts=6, first_wait_s=0.002, longest_wait_s=0.02)

Pairs = list[tuple[Row, Answer]]


def pairs_of(count: int, text: str = "Да, пожалуйста.") -> Pairs:
    return [(make_row(f"r{n}"), make_answer(text, f"r{n}")) for n in range(count)]


def judge_at(url: str, path: Path, rules: RuleFile = POLITE, **settings: Any) -> LlmJudge:
    server = ServerSettings(base_url=url, model="m", timeout_s=2.0, api_key_env="JUDGE_TEST_KEY")
    return LlmJudge(server, JudgeSettings(**settings), rules, PROMPT, path / "asked.jsonl", QUICK)


def judged(
    respond: Respond, path: Path, pairs: Pairs, rules: RuleFile = POLITE, **settings: Any
) -> tuple[list[Verdict], list[dict[str, Any]], LlmJudge]:
    """Verdicts, the requests that were sent (the probe's aside), the judge."""
    with serving(respond) as served:
        judge = judge_at(served.url, path, rules, **settings)
        verdicts = judge.verdicts(pairs)
        return verdicts, [body for body in served.bodies if not is_probe(body)], judge


def after_probe(respond: Callable[[dict[str, Any]], Sent]) -> Respond:
    return lambda body: verdict() if is_probe(body) else respond(body)


def outcomes(verdicts: list[Verdict]) -> list[tuple[str, str | None]]:
    return [(verdict.outcome, verdict.reason) for verdict in verdicts]


class TestStages:
    def test_pass_fail_and_cannot_judge(self, tmp_path: Path) -> None:
        words = iter(["pass", "fail", "cannot_judge"])
        respond = after_probe(lambda body: verdict(next(words)))
        verdicts, sent, judge = judged(respond, tmp_path, pairs_of(3))
        assert Counter(outcomes(verdicts)) == Counter(
            [("pass", None), ("fail", None), ("missing", "cannot_judge")]
        )
        assert {v.by for v in verdicts} == {"llm"} and verdicts[0].note == "So it is."
        assert (judge.mode, judge.calls, len(sent)) == ("json_schema", 4, 3)

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
        assert (sent, judge.calls, judge.mode) == ([], 0, None)

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
            assert (served.bodies, judge.calls, judge.mode) == ([], 0, "json_schema")

    def test_equal_answers_of_two_arms_are_asked_once(self, tmp_path: Path) -> None:
        row = make_row("r0")
        pairs = [(row, make_answer("Одно и то же", "r0", arm)) for arm in ("teacher", "student/a")]
        verdicts, sent, _ = judged(after_probe(lambda body: verdict()), tmp_path, pairs)
        assert len(sent) == 1 and [v.arm for v in verdicts] == ["teacher", "student/a"]

    def test_missing_is_asked_again(self, tmp_path: Path) -> None:
        bad = after_probe(lambda b: Sent("?") if "Question r1?" in user(b) else verdict())
        first, _, _ = judged(bad, tmp_path, pairs_of(3))
        assert outcomes(first)[1] == ("missing", "malformed")
        second, sent, _ = judged(after_probe(lambda b: verdict()), tmp_path, pairs_of(3))
        assert outcomes(second) == [("pass", None)] * 3
        assert len(sent) == 1 and "Question r1?" in user(sent[0])

    def test_raw_replies_are_kept(self, tmp_path: Path) -> None:
        judged(after_probe(lambda body: verdict("fail")), tmp_path, pairs_of(1))
        lines = [json.loads(line) for line in (tmp_path / "asked.jsonl").read_text().splitlines()]
        assert [line["rule"] for line in lines] == ["probe", "polite"]
        assert json.loads(lines[1]["text"])["verdict"] == "fail"

    def test_a_changed_answer_is_asked(self, tmp_path: Path) -> None:
        judged(after_probe(lambda body: verdict()), tmp_path, pairs_of(2))
        _, sent, _ = judged(after_probe(lambda body: verdict()), tmp_path, pairs_of(2, "Иначе"))
        assert len(sent) == 2

    def test_two_judges_on_one_file(self, tmp_path: Path) -> None:
        store = AskedStore(tmp_path / "asked.jsonl")
        with serving(lambda body: verdict()) as served, pytest.raises(DataError, match="process"):
            judge_at(served.url, tmp_path).verdicts(pairs_of(1))
        store.close()

    def test_budget(self, tmp_path: Path) -> None:
        respond = after_probe(lambda body: verdict())
        first, _, judge = judged(respond, tmp_path, pairs_of(10), max_calls=5)
        assert Counter(outcomes(first)) == {("pass", None): 4, ("missing", "budget"): 6}
        assert judge.calls == 5
        second, _, _ = judged(respond, tmp_path, pairs_of(10), max_calls=6)
        assert set(outcomes(second)) == {("pass", None)}


class TestReasks:
    @pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
    def test_malformed_twice_then_good(self, tmp_path: Path, text: str) -> None:
        replies = iter([Sent(text), Sent(text), verdict("fail")])
        verdicts, sent, _ = judged(after_probe(lambda b: next(replies)), tmp_path, pairs_of(1))
        assert outcomes(verdicts) == [("fail", None)] and len(sent) == 3
        again = sent[2]["messages"][-1]["content"]
        assert "could not be read" in again

    @pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
    def test_malformed_for_good_is_missing(self, tmp_path: Path, text: str) -> None:
        verdicts, sent, _ = judged(after_probe(lambda b: Sent(text)), tmp_path, pairs_of(50))
        assert set(outcomes(verdicts)) == {("missing", "malformed")}
        assert len(sent) == 150  # asked, and at most two re-asks

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
            (Sent(""), "empty", 3),
            (error(400, "maximum context length is 2048 tokens"), "overflow", 1),
            (error(413), "overflow", 1),
            (error(400, "strange"), "transport", 1),
            (error(503), "transport", 6),
            (Sent(raw=b"<html>oops</html>"), "transport", 6),
            (Sent(raw=b'{"choices": []}'), "transport", 6),
            (Sent(drop=True), "transport", 6),
        ],
    )
    def test_reasons(self, tmp_path: Path, sent: Sent, reason: str, requests: int) -> None:
        verdicts, asked, _ = judged(after_probe(lambda body: sent), tmp_path, pairs_of(1))
        assert outcomes(verdicts) == [("missing", reason)] and len(asked) == requests


class TestModes:
    @pytest.mark.parametrize(
        ("mode", "key"),
        [
            ("structured_outputs", "structured_outputs"),
            ("json_object", "response_format"),
            ("plain", None),
        ],
    )
    def test_ladder(self, tmp_path: Path, mode: str, key: str | None) -> None:
        def form(body: dict[str, Any]) -> str:
            if "structured_outputs" in body:
                return "structured_outputs"
            return str(body.get("response_format", {"type": "plain"})["type"])

        def respond(body: dict[str, Any]) -> Sent:
            if form(body) != mode:
                return error(400, "unsupported") if form(body) != "json_object" else Sent("prose")
            return Sent("REASONING: ok\nVERDICT: pass") if mode == "plain" else verdict()

        verdicts, sent, judge = judged(respond, tmp_path, pairs_of(1))
        assert judge.mode == mode and outcomes(verdicts) == [("pass", None)]
        assert key is None or key in sent[0]

    def test_probe_is_long_and_shrinks_for_a_small_model(self, tmp_path: Path) -> None:
        lengths = []

        def respond(body: dict[str, Any]) -> Sent:
            lengths.append(len(user(body)))
            if lengths[-1] > 2500:
                return error(400, "maximum context length is 2048 tokens")
            return verdict()

        _, _, judge = judged(respond, tmp_path, pairs_of(1))
        assert judge.mode == "json_schema" and lengths[0] > 3000 > lengths[1]

    def test_dead_server_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match=r"answers no request; start the server"):
            judge_at("http://127.0.0.1:9/v1", tmp_path).verdicts(pairs_of(2))


class TestStops:
    @pytest.mark.parametrize(
        "sent",
        [
            error(401, "Incorrect API key provided: sk-canary"),
            error(403),
            error(404, "no such model"),
            error(429, "You exceeded your current quota", "insufficient_quota"),
        ],
    )
    def test_within_two_requests(
        self, tmp_path: Path, sent: Sent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JUDGE_TEST_KEY", "sk-canary")
        with serving(lambda body: sent) as served:
            with pytest.raises(SetupError) as caught:
                judge_at(served.url, tmp_path).verdicts(pairs_of(300))
            assert len(served.bodies) <= 2 and served.keys[0] == "Bearer sk-canary"
        assert "canary" not in str(caught.value) and "\n" not in str(caught.value)

    def test_within_two_requests_when_the_mode_is_known(self, tmp_path: Path) -> None:
        judged(after_probe(lambda body: verdict()), tmp_path, pairs_of(1))
        with serving(lambda body: error(401)) as served:
            with pytest.raises(SetupError, match="JUDGE_TEST_KEY is not set"):
                judge_at(served.url, tmp_path).verdicts(pairs_of(300, "иначе"))
            assert len(served.bodies) <= 2

    def test_what_was_judged_before_is_kept(self, tmp_path: Path) -> None:
        left = iter([verdict()] * 20)
        respond = after_probe(lambda body: next(left, error(401)))
        with pytest.raises(SetupError):
            judged(respond, tmp_path, pairs_of(60))
        _, sent, _ = judged(after_probe(lambda body: verdict()), tmp_path, pairs_of(60))
        assert len(sent) == 40


class TestFaults:
    def test_throttling_is_survived(self, tmp_path: Path) -> None:
        random_ = random.Random(4)
        respond = after_probe(
            lambda body: error(429, retry_after="0.01") if random_.random() < 0.5 else verdict()
        )
        verdicts, _, _ = judged(respond, tmp_path, pairs_of(60))
        asked = Counter(outcomes(verdicts))
        assert asked[("pass", None)] + asked[("missing", "transport")] == 60
        assert asked[("pass", None)] >= 54  # 0.5⁶ of 60 is one: six lost would be 1 in 600

    def test_timeout_is_tried_again(self, tmp_path: Path) -> None:
        slow = iter([Sent("late", delay_s=3.0)])
        verdicts, sent, _ = judged(
            after_probe(lambda body: next(slow, verdict())), tmp_path, pairs_of(1)
        )
        assert outcomes(verdicts) == [("pass", None)] and len(sent) == 2

    def test_a_server_that_dies_is_not_asked_forever(self, tmp_path: Path) -> None:
        verdicts, sent, _ = judged(after_probe(lambda body: error(500)), tmp_path, pairs_of(200))
        assert set(outcomes(verdicts)) == {("missing", "transport")}
        assert len(sent) <= 6 * (20 + 2 * 8)  # those under way when it gave up end as they must

    def test_thirty_percent_faults_of_eight_kinds(self, tmp_path: Path) -> None:
        random_ = random.Random(9)
        kinds = [
            lambda: error(429, retry_after="0.005"),
            lambda: error(500),
            lambda: error(503),
            lambda: Sent(drop=True),
            lambda: Sent(raw=b'{"choices": [{"mess'),
            lambda: Sent("VERDICT? who knows"),
            lambda: Sent('{"evidence": ["', finish="length"),
            lambda: Sent(""),
        ]

        def respond(body: dict[str, Any]) -> Sent:
            faulty = random_.random() < 0.3
            return random_.choice(kinds)() if faulty else verdict(evidence=("пожалуйста",))

        verdicts, _, _ = judged(after_probe(respond), tmp_path, pairs_of(300))
        found = Counter(outcomes(verdicts))
        assert sum(found.values()) == 300
        assert {outcome for outcome, _ in found} <= {"pass", "missing"}
        assert all(reason for outcome, reason in found if outcome == "missing")
        assert found[("pass", None)] >= 290  # three bad replies in a row: 0.11³ of 300 is under one
        again, sent, _ = judged(after_probe(lambda body: verdict()), tmp_path, pairs_of(300))
        assert set(outcomes(again)) == {("pass", None)}
        assert len(sent) == 300 - found[("pass", None)]  # only what was missing
