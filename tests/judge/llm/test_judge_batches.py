"""Several rules in one call: which ones, how they are asked, and that the verdicts are the same."""

from collections import Counter
from math import ceil
from pathlib import Path
from typing import Any, get_args

import pytest

from config.judging import JudgeSettings
from data.jsonl import read_records
from data.records import digest
from judge.llm.cache import CachedReply
from judge.llm.output_mode import probe_prompt
from judge.llm.prompt import (
    applies_prompt,
    pair_prompt,
    reask_body,
    verdict_prompt,
    verdicts_prompt,
)
from judge.llm.request import OUTPUT_MODES, Mode, build_request
from judge.llm.rule_batches import rule_batches
from prompts.rules import Language
from tests.judge.factories import llm_check, make_answer, make_row, make_rule, make_rules
from tests.judge.llm.judge_factory import after_probe, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.rule_server import by_hash, holding, kind_rule, kind_rules, reply, rules_of
from tests.judge.llm.server import Sent, error, serving, user, verdict
from tests.judge.llm.test_fence import HOSTILE, structure

Body = dict[str, Any]
SEVEN = kind_rules("abcdefg")
LANGUAGES = get_args(Language)
# Of the 96 requests below as they were before several rules could be asked about in one call.
TODAY = "e9688089660aad1cc9ed103f83195d1e01c6e6621b62031f279a273e038f2a4b"
TODAY_PROBE = "378f2ba0db6246d914fec5050592768336cb1921312aab222be5eea3a52a3612"


def good(body: Body) -> Sent:
    return reply(body, by_hash)


def pairs_of_two_arms(count: int) -> list[Any]:
    rows = [make_row(f"r{n}", ("Отрывок.",)) for n in range(count)]
    return [(row, make_answer(f"Да, {arm}.", row.id, arm)) for arm in "xy" for row in rows]


class TestAsked:
    def test_what_is_asked_about_one_rule_is_what_was_always_asked(self) -> None:
        """Byte for byte, or every stored reply would be asked for again."""
        examples = [{"answer": "Отстаньте.", "verdict": "fail"}]
        check = llm_check(examples=examples)
        rule = make_rule(check, id="kind", applies={"llm": "Is it?"})
        row = make_row("r1", ("Отрывок один.", "Two <|im_end|>."))
        keys = []
        for language in ("en", "ru"):
            for mode in OUTPUT_MODES:
                for question in (
                    verdict_prompt(rule, row, "Да.\nVERDICT: pass", language),
                    applies_prompt(rule, row, language),
                    pair_prompt(row, "Да.", "Нет.", language),
                ):
                    for heat, sample in ((0, 0), (0.7, 2)):
                        request = build_request(question.body(mode, "m", 256, heat, sample))
                        keys.append(request.key)
                    for problem, message in (
                        ("evidence", "1"),
                        ("malformed", "not one JSON object"),
                    ):
                        again = reask_body(request.body, language, "x", problem, message)
                        keys.append(build_request(again).key)
        assert (len(keys), digest(keys)) == (96, TODAY)
        assert build_request(probe_prompt(1).body("plain", "m", 1)).key == TODAY_PROBE

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("mode", OUTPUT_MODES)
    def test_role_and_form_then_data_then_rules(self, language: Language, mode: Mode) -> None:
        rules = kind_rules("ab").rules
        row = make_row("r1", ("Отрывок.",))
        body = verdicts_prompt(rules, row, "Ответ тут", language).body(mode, "m", 100)
        role, call_counts = (turn["content"] for turn in body["messages"])
        order = ["Question r1?", "Отрывок.", "Ответ тут", "Kind a.", "Kind b.", "a, b"]
        assert [call_counts.index(part) for part in order] == sorted(
            call_counts.index(part) for part in order
        )
        steps = ["evidence", "reasoning", "verdict: pass"]
        instructions = role[role.index("[end NAME ID]") :].casefold()
        if mode == "plain":
            steps = ["evidence rule:", "reasoning rule:", "verdict rule: pass"]
        assert [instructions.index(step) for step in steps] == sorted(
            instructions.index(step) for step in steps
        )
        assert body["max_tokens"] == 2 * 100
        other = verdicts_prompt(SEVEN.rules[3:], make_row("r2"), "Иначе", language)
        assert role == other.body(mode, "m", 100)["messages"][0]["content"]  # a prefix for all

    @pytest.mark.parametrize("mode", OUTPUT_MODES[:2])
    def test_the_schema_holds_each_rule_in_its_order(self, mode: Mode) -> None:
        question = verdicts_prompt(SEVEN.rules[:3], make_row(), "Да.")
        body = question.body(mode, "m", 100)
        named = body.get("response_format", {}).get("json_schema", {}).get("schema")
        schema = named or body["structured_outputs"]["json"]
        assert list(schema["properties"]) == schema["required"] == ["a", "b", "c"]
        for one in schema["properties"].values():
            keys = ["evidence", "reasoning", "verdict"]
            assert list(one["properties"]) == one["required"] == keys
            assert not one["additionalProperties"] and not schema["additionalProperties"]

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("payload", HOSTILE)
    def test_nothing_leaves_its_fence(self, payload: str, language: Language) -> None:
        """Outside the fences a reader finds the same lines, whatever stands inside."""
        rules = SEVEN.rules[:3]

        def call_counts(answer: str) -> list[str]:
            question = verdicts_prompt(rules, make_row(), answer, language)
            return structure(user(question.body("plain", "m", 10)))

        expected = call_counts("Да.")
        assert len(expected) == 3 * 2 + 2 + 3 * len(rules)  # fences, first and last line, rules
        assert call_counts(payload) == expected

    def test_rules_that_see_different_things_are_refused(self) -> None:
        rules = [kind_rule("a"), kind_rule("b", sees=["answer"])]
        with pytest.raises(ValueError, match="a, b do not see the same"):
            verdicts_prompt(rules, make_row(), "Да.")


class TestWhichRules:
    def test_each_rule_is_in_one_batch_with_its_like(self) -> None:
        due = {"code": [{"field": "labels", "matches": "off"}]}
        blind = ["answer", "question"]
        rules = make_rules(
            kind_rule("a"),
            kind_rule("b", sees=blind),
            kind_rule("c", severity="should"),
            kind_rule("d", applies=due, converse=True),
            make_rule({"type": "json"}, id="e", applies={"llm": "Is it?"}, converse=True),
            kind_rule("f", sees=blind[::-1]),
            kind_rule("g"),
        )

        def ids(**settings: Any) -> list[list[str]]:
            batches = rule_batches(rules.scored_rules(), JudgeSettings(**settings))
            return [[due.id for due in batch] for batch in batches]

        code = ["e", "e_converse"]
        both = ["d", "d_converse"]
        assert ids() == [["a"], ["c"], both, ["g"], ["b"], ["f"], code]
        assert ids(rules_per_call=2) == [["a", "c"], [*both, "g"], ["b", "f"], code]
        assert ids(rules_per_call=9) == [["a", "c", *both, "g"], ["b", "f"], code]
        # must-rules are sampled three times, others once: not together
        assert ids(rules_per_call=9, temperature=1) == [["a", *both, "g"], ["b", "f"], ["c"], code]

    def test_no_rule_sees_more_than_it_may(self, tmp_path: Path) -> None:
        sees = {"a": ["answer"], "b": ["question", "answer"], "c": ["answer"]}
        rules = make_rules(*(kind_rule(name, sees=parts) for name, parts in sees.items()))
        pair = (make_row("r0", ("Отрывок.",)), make_answer("Да.", "r0"))
        respond = after_probe(
            lambda b: verdict() if rules_of(b) == ["b"] else Sent('{"a": 0, "c": 0}')
        )
        _, sent, _ = judged(respond, tmp_path, [pair], rules, rules_per_call=4)
        assert {tuple(rules_of(body)) for body in sent} == {("a", "c"), ("b",), ("a",), ("c",)}
        for body in sent:
            shown = [
                part
                for part in ("question", "contexts", "answer")
                if f"[begin {part} " in user(body)
            ]
            assert set(shown) == {part for rule in rules_of(body) for part in sees[rule]}

    def test_what_is_not_due_is_left_out(self, tmp_path: Path) -> None:
        rules = make_rules(
            kind_rule("a", applies={"llm": "Is it?"}),
            kind_rule("b"),
            kind_rule("c", applies={"llm": "Is that?"}, converse=True),
        )

        def respond(body: Body) -> Sent:
            if "[begin answer" in user(body):
                return reply(body, lambda row, rule: "pass")
            asks = "Is it?" if "Question r0?" in user(body) else "Is that?"
            return verdict("yes" if asks in user(body) else "no")

        verdicts, sent, _ = judged(
            after_probe(respond), tmp_path, pairs_of(2), rules, rules_per_call=4
        )
        stage_b = [rules_of(body) for body in sent if "[begin answer" in user(body)]
        assert sorted(stage_b) == [["a", "b", "c"], ["b", "c"]] and len(sent) == 2 + 4
        never, passed, failed = ("not_applicable", None), ("pass", None), ("fail", None)
        assert outcomes(verdicts) == [
            *(passed, passed, never, failed),  # c is obeyed where it is not due
            *(never, passed, passed, never),
        ]

    def test_one_that_is_left_is_asked_as_alone_to_the_byte(self, tmp_path: Path) -> None:
        applies = {"code": [{"field": "labels", "matches": "off"}]}
        rules = make_rules(kind_rule("a", applies=applies), kind_rule("b"))
        pairs = [(make_row("r0", labels=("fine",)), make_answer("Да.", "r0"))]
        respond = after_probe(good)
        _, one, _ = judged(respond, tmp_path / "one", pairs, rules, rules_per_call=1)
        _, four, _ = judged(respond, tmp_path / "four", pairs, rules, rules_per_call=4)
        assert one == four and len(one) == 1

    def test_none_is_due(self, tmp_path: Path) -> None:
        pairs = [(make_row("r0"), make_answer(" ", "r0"))]
        verdicts, sent, _ = judged(after_probe(good), tmp_path, pairs, SEVEN, rules_per_call=4)
        assert outcomes(verdicts) == [("fail", None)] * 7 and sent == []  # an empty answer

    def test_of_a_missing_stage_a_only_its_rule_is_missing(self, tmp_path: Path) -> None:
        rules = make_rules(kind_rule("a", applies={"llm": "Is it?"}), *kind_rules("bc").rules)
        respond = after_probe(
            lambda b: good(b) if "[begin answer" in user(b) else error(400, "context length")
        )
        verdicts, sent, _ = judged(respond, tmp_path, pairs_of(1), rules, rules_per_call=4)
        assert outcomes(verdicts)[0] == ("missing", "overflow")
        assert [rules_of(body) for body in sent if "[begin answer" in user(body)] == [["b", "c"]]


class TestSameVerdicts:
    @pytest.mark.parametrize("mode", OUTPUT_MODES)
    @pytest.mark.parametrize("size", [2, 3, 4, 7, 9])
    def test_by_fewer_calls(self, tmp_path: Path, mode: str, size: int) -> None:
        """7 rules on 10 answers: 70 calls, or 10 × ⌈7 / k⌉; all but the place is the same."""
        pairs = pairs_of_two_arms(5)
        respond = holding(mode, good)
        one, sent_one, _ = judged(respond, tmp_path / "one", pairs, SEVEN)
        many, sent, judge = judged(respond, tmp_path / "many", pairs, SEVEN, rules_per_call=size)
        # a verdict that came with others says at which place; a missing one does too
        assert [verdict.place for verdict in many] == [n % 7 % size for n in range(70)]
        assert [verdict.model_copy(update={"place": 0}) for verdict in many] == one
        assert len({verdict.outcome for verdict in one}) == 3
        assert judge.mode == mode and judge.fallbacks.total() == judge.unfounded == 0
        # what is refused on the way to the mode is asked of the probe alone
        assert len(sent_one) == 70 and len(sent) == 10 * ceil(7 / size)
        room = {len(rules_of(body)) * 256 for body in sent}
        assert {body["max_tokens"] for body in sent} == room

    def test_samples_are_voted_on_rule_by_rule(self, tmp_path: Path) -> None:
        """Of three samples each rule has two for its own verdict; the should-rule is asked once."""
        rules = make_rules(*kind_rules("abc").rules, kind_rule("d", severity="should"))
        odd = {0: "a", 1: "b", 2: "c"}  # who is told otherwise in which sample

        def respond(body: Body) -> Sent:
            turned = odd[body["seed"]] if len(rules_of(body)) > 1 else ""
            return reply(body, lambda row, rule: "fail" if rule == turned else "pass")

        verdicts, sent, _ = judged(
            after_probe(respond), tmp_path, pairs_of(2), rules, temperature=0.7, rules_per_call=4
        )
        assert outcomes(verdicts) == [("pass", None)] * 8
        assert verdicts[0].note.startswith("2 of 3") and verdicts[3].note.startswith("So it is")
        call_counts = Counter((tuple(rules_of(body)), body["seed"]) for body in sent)
        assert call_counts == {
            (("a", "b", "c"), 0): 2,
            (("a", "b", "c"), 1): 2,
            (("a", "b", "c"), 2): 2,
            (("d",), 0): 2,
        }

    def test_equal_answers_of_two_arms_are_asked_about_once(self, tmp_path: Path) -> None:
        row = make_row("r0")
        pairs = [(row, make_answer("Одно и то же", "r0", arm)) for arm in ("teacher", "student/a")]
        verdicts, sent, _ = judged(after_probe(good), tmp_path, pairs, SEVEN, rules_per_call=4)
        assert len(sent) == 2 and outcomes(verdicts[:7]) == outcomes(verdicts[7:])


class TestStore:
    def test_a_rerun_asks_nothing_and_one_raw_reply_holds_all(self, tmp_path: Path) -> None:
        first, sent, _ = judged(after_probe(good), tmp_path, pairs_of(3), SEVEN, rules_per_call=4)
        again, nothing, judge = judged(good, tmp_path, pairs_of(3), SEVEN, rules_per_call=4)
        assert (again, nothing, judge.usage.calls) == (first, [], 0)
        offline = judge_at("http://127.0.0.1:9/v1", tmp_path, SEVEN, rules_per_call=4)
        assert offline.verdicts(pairs_of(3), "none") == first
        assert offline.plan(pairs_of(3)).calls == offline.plan(pairs_of(3), "missing").calls == 0
        stored = Counter(call.rule for call in read_records(tmp_path / "calls.jsonl", CachedReply))
        assert stored == {"probe": 2, "a,b,c,d": 3, "e,f,g": 3} and len(sent) == 6

    def test_another_size_is_another_question(self, tmp_path: Path) -> None:
        judged(after_probe(good), tmp_path, pairs_of(2), SEVEN, rules_per_call=4)
        _, sent, _ = judged(after_probe(good), tmp_path, pairs_of(2), SEVEN, rules_per_call=7)
        _, alone, _ = judged(after_probe(good), tmp_path, pairs_of(2), SEVEN)
        assert (len(sent), len(alone)) == (2, 14)

    def test_the_plan_and_the_limit_count_calls_and_not_verdicts(self, tmp_path: Path) -> None:
        judge = judge_at("http://127.0.0.1:9/v1", tmp_path, SEVEN, rules_per_call=4)
        plan = judge.plan(pairs_of(5))
        assert (plan.calls, plan.stages["verdict"]) == (11, 10)
        assert plan.completion_tokens == 512 + 5 * 7 * 256  # the probe's, and 256 a verdict
        verdicts, _, judge = judged(
            after_probe(good), tmp_path, pairs_of(5), SEVEN, rules_per_call=4, max_calls=4
        )
        assert judge.usage.calls == 4  # the probe and three of ten batches
        missing = Counter(verdict.reason == "budget" for verdict in verdicts)
        assert missing[False] in (10, 11, 12)  # batches of four and of three rules
        with serving(after_probe(good)) as served:
            again = judge_at(served.url, tmp_path, SEVEN, rules_per_call=4)
            assert again.plan(pairs_of(5)).calls == 7
            again.verdicts(pairs_of(5))
            assert len(served.bodies) == 7
