"""Denominators and the strict score: who is asked when a rule is due, and what follows from it."""

import itertools
from pathlib import Path

import pytest

from judge.checks.check import check_applied, check_context, verdict_without_check
from judge.metrics.scores import score
from judge.metrics.verdict_table import strict
from judge.verdict import Missing, Outcome, Verdict
from prompts.rules import ScoredRule
from tests.judge.factories import PROMPT, llm_check, make_answer, make_row, make_rule, make_rules
from tests.judge.llm.runs import after_probe, judged
from tests.judge.llm.server import Sent, user, verdict

ARMS = ("base", "teacher", "student/a")
RULES = make_rules(
    make_rule({"type": "contains", "text": "нет"}, id="refuse", applies={"llm": "Off topic?"}),
    make_rule(llm_check(), id="empathy", applies={"llm": "Worried?", "sees": ["question"]}),
    make_rule(llm_check(), id="kind"),
)


def test_every_arm_has_the_same_denominators(tmp_path: Path) -> None:
    """Stage A: questions × rules that a model says are due, whatever the arms; no answer in it."""
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
    for rule, due in (("refuse", 4), ("empathy", 4), ("kind", 12)):
        assert {scores[arm].rules[rule].applicable for arm in ARMS} == {due}


@pytest.mark.parametrize("undue", [False, True])
@pytest.mark.parametrize("applies", [True, False, None])
@pytest.mark.parametrize("obeyed", [True, False])
def test_truth_table_of_a_rule_and_its_converse(
    undue: bool, applies: bool | None, obeyed: bool
) -> None:
    """Due: obeyed passes. Not due: a converse rule passes if *not* obeyed, another says nothing."""
    rule = make_rule({"type": "contains", "text": "нет"}, converse=True)
    due = ScoredRule(id="it", rule=rule, converse=undue)
    answer = make_answer("нет" if obeyed else "да")
    context = check_context(make_rules(rule), PROMPT)
    verdict = check_applied(due, applies, make_row(), answer, context)
    expected: dict[tuple[bool, bool | None], str] = {
        (False, True): "pass" if obeyed else "fail",
        (False, False): "not_applicable",
        (True, True): "not_applicable",
        (True, False): "fail" if obeyed else "pass",
    }
    assert verdict.outcome == expected.get((undue, applies), "missing")
    # an empty answer obeys neither the rule nor its converse
    early = verdict_without_check(due, applies, make_answer(" "), " ")
    assert early is not None
    assert early.outcome == ("fail" if verdict.outcome in ("pass", "fail") else verdict.outcome)


def test_strict_is_kleenes_and() -> None:
    """All 64 triples of outcomes: the least of fail < missing < pass; not applicable is pass."""
    rank = {"fail": 0, "missing": 1, "pass": 2, "not_applicable": 2}
    value = {0: False, 1: None, 2: True}
    rules = make_rules(*(make_rule({"type": "json"}, id=name) for name in "abc"))
    for outcomes in itertools.product(rank, repeat=3):
        verdicts = [_said(rule, outcome) for rule, outcome in zip("abc", outcomes, strict=True)]
        assert strict(verdicts, rules) is value[min(rank[outcome] for outcome in outcomes)]


def _said(rule: str, outcome: str) -> Verdict:
    reason: Missing | None = "transport" if outcome == "missing" else None
    said: Outcome = outcome  # type: ignore[assignment]
    return Verdict(arm="base", row="r1", rule=rule, outcome=said, reason=reason)
