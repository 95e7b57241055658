"""Applicability: the same denominators for every arm, converse rules, and the strict score."""

import itertools
from pathlib import Path

import pytest

from judge.checks.check import check_applied, check_context, verdict_without_check
from judge.metrics.scores import score
from judge.metrics.verdict_table import strict
from judge.verdict import Outcome
from prompts.rules import ScoredRule
from tests.judge.factories import (
    PROMPT,
    llm_check,
    make_answer,
    make_row,
    make_rule,
    make_rules,
    make_verdict,
)
from tests.judge.llm.judge_factory import after_probe, judged
from tests.judge.llm.server import Sent, user, verdict

ARMS = ("base", "teacher", "student/a")
RULES = make_rules(
    make_rule({"type": "contains", "text": "нет"}, id="refuse", applies={"llm": "Off topic?"}),
    make_rule(llm_check(), id="empathy", applies={"llm": "Worried?", "sees": ["question"]}),
    make_rule(llm_check(), id="kind"),
)


def test_every_arm_has_the_same_denominators(tmp_path: Path) -> None:
    """Stage A: one call per question and rule that the model decides, without any answer."""
    rows = [make_row(f"r{n}", tuple(f"Passage {n} {part}." for part in "abc")) for n in range(12)]
    pairs = [
        (answer.shown(row), answer)
        for arm in ARMS
        for row in rows
        for answer in [make_answer(f"{arm} {row.id} нет", row.id, arm)]
    ]
    # one arm saw a passage fewer of one row: it must not get a stage A of its own
    short = pairs[0][1].model_copy(update={"dropped": 1})
    pairs[0] = (short.shown(rows[0]), short)

    def respond(body: dict[str, object]) -> Sent:
        text = user(body)
        if "[begin answer" in text:
            return verdict("fail" if "base" in text else "pass")
        number = int(text.split("Question r")[1].split("?")[0])
        return verdict("yes" if number % 3 == 0 else "no")

    verdicts, sent, _ = judged(after_probe(respond), tmp_path, pairs, RULES)
    stage_a = [user(body) for body in sent if "[begin answer" not in user(body)]
    assert len(stage_a) == len(set(stage_a)) == 12 * 2
    assert not any(arm in text for arm in ARMS for text in stage_a)
    first = next(text for text in stage_a if "Question r0?" in text and "Passage 0 a." in text)
    assert "Passage 0 b." in first and "Passage 0 c." not in first  # what every arm saw
    scores = score(RULES, rows, verdicts).arms
    for rule, count in (("refuse", 4), ("empathy", 4), ("kind", 12)):
        assert {scores[arm].rules[rule].applicable for arm in ARMS} == {count}


@pytest.mark.parametrize("is_converse", [False, True])
@pytest.mark.parametrize("applies", [True, False, None])
@pytest.mark.parametrize("obeyed", [True, False])
def test_truth_table_of_a_rule_and_its_converse(
    is_converse: bool, applies: bool | None, obeyed: bool
) -> None:
    """A rule passes if obeyed where it applies, its converse if *not* obeyed where it does not."""
    rule = make_rule({"type": "contains", "text": "нет"}, converse=True)
    scored = ScoredRule(id="it", rule=rule, converse=is_converse)
    answer = make_answer("нет" if obeyed else "да")
    context = check_context(make_rules(rule), PROMPT)
    verdict = check_applied(scored, applies, make_row(), answer, context)
    expected: dict[tuple[bool, bool | None], str] = {
        (False, True): "pass" if obeyed else "fail",
        (False, False): "not_applicable",
        (True, True): "not_applicable",
        (True, False): "fail" if obeyed else "pass",
    }
    assert verdict.outcome == expected.get((is_converse, applies), "missing")
    # an empty answer obeys neither the rule nor its converse
    early = verdict_without_check(scored, applies, make_answer(" "), " ")
    assert early is not None
    assert early.outcome == ("fail" if verdict.outcome in ("pass", "fail") else verdict.outcome)


def test_strict_is_kleenes_and() -> None:
    """All 64 triples of outcomes: the least of fail < missing < pass; not applicable is pass."""
    rank: dict[Outcome, int] = {"fail": 0, "missing": 1, "pass": 2, "not_applicable": 2}
    value = {0: False, 1: None, 2: True}
    for outcomes in itertools.product(rank, repeat=3):
        verdicts = [
            make_verdict(outcome, rule) for rule, outcome in zip("abc", outcomes, strict=True)
        ]
        assert strict(verdicts, "abc") is value[min(rank[outcome] for outcome in outcomes)]
