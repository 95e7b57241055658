"""The plan: what a run of the judge would ask and cost."""

from pathlib import Path

import pytest

from judge.llm.reply_source import AskPolicy
from tests.judge.factories import llm_check, make_answer, make_row, make_rule, make_rules
from tests.judge.llm.judge_factory import after_probe, judge_at, judged, pairs_of
from tests.judge.llm.server import serving, user, verdict
from tests.judge.llm.test_budget import priced_judge
from tests.judge.llm.test_reply_source import troubled

NOWHERE = "http://127.0.0.1:9/v1"

TWO_STAGES = make_rules(
    make_rule(llm_check(**{"pass": "Kind."}), id="kind", severity="should"),
    make_rule(llm_check(), id="refuse", applies={"llm": "Off topic?"}, converse=True),
    make_rule({"type": "json"}, id="format", applies={"llm": "Is JSON wanted?"}),
)


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_the_plan_is_what_is_asked_when_every_rule_is_due(
    tmp_path: Path, temperature: float
) -> None:
    answers = [make_answer(f"{arm} {n}", f"r{n}", arm) for n in range(5) for arm in "ab"]
    pairs = [(make_row(answer.row), answer) for answer in answers]
    judge = judge_at(NOWHERE, tmp_path, TWO_STAGES, temperature=temperature)
    plan = judge.plan(pairs)
    samples = 3 if temperature else 1  # of the must-rule
    assert plan.stages == {"probe": 1, "applies": 10, "verdict": 10 + 10 * samples}
    assert plan.completion_tokens == 512 + (plan.calls - 1) * 256
    assert not list(tmp_path.iterdir())  # asked nothing, wrote nothing

    respond = after_probe(lambda b: verdict("pass" if "[begin answer" in user(b) else "yes"))
    with serving(respond) as served:
        real = judge_at(served.url, tmp_path, TWO_STAGES, temperature=temperature)
        real.verdicts(pairs)
        assert real.usage.calls == plan.calls
        sent = sum(len(m["content"].encode()) for body in served.bodies for m in body["messages"])
    assert plan.prompt_tokens == pytest.approx(sent / 4, abs=plan.calls)
    again = real.plan(pairs)
    assert (again.calls, again.prompt_tokens, again.completion_tokens) == (0, 0, 0)


def test_the_plan_knows_what_is_stored(tmp_path: Path) -> None:
    """Nothing is due: the converse was asked then, and only the rule that is always due is left."""
    rules = make_rules(*TWO_STAGES.rules[1:])
    respond = after_probe(lambda b: verdict("pass" if "[begin answer" in user(b) else "no"))
    _, sent, _ = judged(respond, tmp_path, pairs_of(4), rules)
    assert len(sent) == 4 * 3  # two stages A, one B
    plan = judge_at(NOWHERE, tmp_path, TWO_STAGES).plan(pairs_of(4))
    assert plan.stages == {"verdict": 4}


@pytest.mark.parametrize(("asks", "calls"), [("new", 2), ("missing", 6)])
def test_the_plan_of_either_way_of_asking(tmp_path: Path, asks: AskPolicy, calls: int) -> None:
    assert asks != "none"
    judged(after_probe(troubled), tmp_path, pairs_of(7))
    assert judge_at(NOWHERE, tmp_path).plan(pairs_of(8), asks).calls == calls


def test_the_plan_in_words(tmp_path: Path) -> None:
    lines = priced_judge(NOWHERE, tmp_path, None).plan(pairs_of(2)).summary()
    assert "3 calls at most: 0 whether a rule applies, 2 for verdicts, 1 (or a few)" in lines[0]
    assert "bytes / 4" in lines[1] and lines[2].startswith("cost: about 0.0")
    assert len(judge_at(NOWHERE, tmp_path).plan(pairs_of(2)).summary()) == 2
