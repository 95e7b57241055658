"""Mutation tests of the model's rules, against servers that judge and rewrite as a test wants."""

import re
from pathlib import Path
from typing import Any

from data.answers import Answer
from data.rows import Row
from judge.calibration.mutation.code import MutationScore
from judge.calibration.mutation.llm import NO_JUDGING_SERVER, llm_mutation_scores
from prompts.rules import RuleFile
from tests.judge.factories import llm_check, make_answer, make_row, make_rule, make_rules
from tests.judge.llm.judge_factory import after_probe, judge_at
from tests.judge.llm.server import Sent, serving, user, verdict

PAIRS = [(make_row(f"r{n}"), make_answer(f"Пожалуйста, {n}.", f"r{n}")) for n in range(6)]
RULES = make_rules(make_rule(llm_check(), id="polite"))


def is_rewrite(body: dict[str, Any]) -> bool:
    return bool(body["messages"][0]["role"] == "user")


def answer_in(turn: str) -> str:
    match = re.search(r"\[begin answer (\w+)\]\n(.*)\n\[end answer \1\]", turn, re.DOTALL)
    assert match
    return match[2]


def fails_rude(body: dict[str, Any]) -> Sent:
    """A judge that sees rudeness, and an editor that writes it."""
    if is_rewrite(body):
        return Sent(f"Дурак. {answer_in(body['messages'][0]['content'])}")
    return verdict("fail" if "Дурак" in answer_in(user(body)) else "pass")


def scored(
    respond: Any, path: Path, rules: RuleFile = RULES, pairs: list[tuple[Row, Answer]] = PAIRS
) -> tuple[MutationScore, list[dict[str, Any]]]:
    with serving(after_probe_but_rewrites(respond)) as served:
        judge = judge_at(served.url, path, rules)
        verdicts = judge.verdicts(pairs)
        return llm_mutation_scores(rules, pairs, verdicts, judge)[0], served.bodies


def after_probe_but_rewrites(respond: Any) -> Any:
    probed = after_probe(respond)
    return lambda body: respond(body) if is_rewrite(body) else probed(body)


def test_a_good_judge(tmp_path: Path) -> None:
    score, bodies = scored(fails_rude, tmp_path)
    kills = score.operators["rewritten to break the rule"]
    assert (kills.mutants, kills.killed, score.copies) == (6, 6, 6)
    assert score.specificity and score.specificity.value == 1
    prompts = [body["messages"][0]["content"] for body in bodies if is_rewrite(body)]
    assert len(prompts) == 6
    assert all("Rude." in turn for turn in prompts)  # the rule's description of a fail


def test_a_judge_that_sees_nothing(tmp_path: Path) -> None:
    def blind(body: dict[str, Any]) -> Sent:
        return fails_rude(body) if is_rewrite(body) else verdict("pass")

    score, _ = scored(blind, tmp_path)
    assert score.operators["rewritten to break the rule"].killed == 0


def test_a_judge_that_looks_at_spaces(tmp_path: Path) -> None:
    """Harmless copies must not change a verdict: this judge fails two spaces."""

    def fussy(body: dict[str, Any]) -> Sent:
        if is_rewrite(body):
            return fails_rude(body)
        return verdict("fail" if answer_in(user(body)).count("  ") else "pass")

    score, _ = scored(fussy, tmp_path)
    assert score.specificity and score.specificity.value == 0


def test_fail_example_is_hidden_from_the_judge(tmp_path: Path) -> None:
    """A judge that is shown the answer with its verdict would only copy it."""
    examples = [
        {"answer": "Дурак, уйди.", "verdict": "fail"},
        {"answer": "Спасибо.", "verdict": "pass"},
    ]
    rules = make_rules(make_rule(llm_check(examples=examples), id="polite"))
    score, bodies = scored(fails_rude, tmp_path, rules)
    kills = score.operators["fail examples of the rule"]
    assert (kills.mutants, kills.killed) == (1, 1)
    tested = [
        user(body) for body in bodies if not is_rewrite(body) and "begin answer" in user(body)
    ]
    about = [turn for turn in tested if answer_in(turn) == "Дурак, уйди."]
    assert len(about) == 1
    assert about[0].count("Дурак, уйди.") == 1 and "Спасибо." in about[0]


def test_unchanged_or_truncated_rewrites_are_no_mutants(tmp_path: Path) -> None:
    def lazy(body: dict[str, Any]) -> Sent:
        if not is_rewrite(body):
            return verdict("pass")
        text = answer_in(body["messages"][0]["content"])
        return Sent(text) if "1" in text else Sent("Дур", finish="length")

    score, _ = scored(lazy, tmp_path)
    assert score.operators["rewritten to break the rule"].mutants == 0
    assert score.operators["rewritten to break the rule"].sensitivity is None


def test_nothing_to_break(tmp_path: Path) -> None:
    none, _ = scored(lambda body: verdict("fail"), tmp_path)
    assert none.not_covered == "the model passed no logged answer"
    assert llm_mutation_scores(RULES, PAIRS, [], None)[0].not_covered == NO_JUDGING_SERVER
