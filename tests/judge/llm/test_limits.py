"""What may be spent, and the plan that says beforehand what would be."""

from collections import Counter
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.judging import JudgeSettings, Prices, ServerSettings
from judge.llm.judge import LlmJudge
from judge.llm.reply_source import AskPolicy
from judge.llm.request import build_request
from tests.judge.factories import PROMPT, llm_check, make_answer, make_row, make_rule, make_rules
from tests.judge.llm.runs import POLITE, QUICK, after_probe, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, is_probe, serving, user, verdict
from tests.judge.llm.test_ways import troubled

PRICES = Prices(prompt=2.0, completion=8.0)
CALL = (10 * 2.0 + 5 * 8.0) / 1e6  # what a reply of the test's server costs: 10 + 5 tokens
NOWHERE = "http://127.0.0.1:9/v1"


def priced_judge(url: str, path: Path, max_cost: float | None, concurrency: int = 4) -> LlmJudge:
    server = ServerSettings(
        base_url=url, model="m", concurrency=concurrency, price_per_million=PRICES
    )
    settings = JudgeSettings(max_cost=max_cost)
    return LlmJudge(server, settings, POLITE, PROMPT, path / "asked.jsonl", QUICK)


def test_calls(tmp_path: Path) -> None:
    respond = after_probe(lambda body: verdict())
    first, _, judge = judged(respond, tmp_path, pairs_of(10), max_calls=5)
    assert Counter(outcomes(first)) == {("pass", None): 4, ("missing", "budget"): 6}
    assert judge.usage.calls == 5
    second, sent, _ = judged(respond, tmp_path, pairs_of(10), max_calls=6)
    assert set(outcomes(second)) == {("pass", None)} and len(sent) == 6


def test_the_limits_hold_for_all_that_one_judge_is_asked(tmp_path: Path) -> None:
    """The probe and three verdicts of the first go leave one call for the second."""
    with serving(after_probe(lambda body: verdict())) as served:
        judge = judge_at(served.url, tmp_path, max_calls=5)
        judge.verdicts(pairs_of(3))
        second = Counter(outcomes(judge.verdicts(pairs_of(4, "Иначе."))))
        assert second == {("pass", None): 1, ("missing", "budget"): 3}
        assert judge.usage.calls == len(served.bodies) == 5
        assert judge.replies([{"model": "m", "messages": []}]) == [None]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_cost(tmp_path: Path, concurrency: int) -> None:
    """Over the limit by what was under way when it was reached, and by no more."""
    with serving(lambda body: verdict()) as served:
        judge = priced_judge(served.url, tmp_path, 9.5 * CALL, concurrency)
        found = Counter(outcomes(judge.verdicts(pairs_of(50))))
        assert judge.usage.cost == pytest.approx(judge.usage.calls * CALL)
        assert 10 <= judge.usage.calls <= 10 + concurrency - 1
        assert found == {
            ("pass", None): judge.usage.calls - 1,
            ("missing", "budget"): 51 - judge.usage.calls,
        }
        assert priced_judge(served.url, tmp_path, None).verdicts(pairs_of(50))
        assert len(served.bodies) == 51  # the rest, once


def test_a_server_that_counts_no_tokens_still_costs(tmp_path: Path) -> None:
    raw = verdict().payload().replace(b'"usage"', b'"unused"')
    with serving(lambda body: Sent(raw=raw)) as served:
        judge = priced_judge(served.url, tmp_path, None)
        judge.verdicts(pairs_of(1))
        sent = sum(len(m["content"].encode()) for body in served.bodies for m in body["messages"])
    assert judge.usage.prompt_tokens == pytest.approx(sent / 4, abs=2)
    assert judge.usage.cost is not None and judge.usage.cost > 2.0 * sent / 4e6


def test_a_russian_letter_counts_as_two_bytes() -> None:
    """Tokenizers cut Russian finer than English: by characters it would look half as dear."""
    english, russian = (
        build_request({"messages": [{"content": text}]}) for text in ("word" * 100, "слов" * 100)
    )
    assert (english.estimated_tokens, russian.estimated_tokens) == (100, 200)


def test_cost_without_prices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"max_cost = 3: the server has no prices.*price_per_million"
    ):
        judge_at(NOWHERE, tmp_path, max_cost=3.0)


TWO_STAGES = make_rules(
    make_rule(llm_check(**{"pass": "Kind."}), id="kind", severity="should"),
    make_rule(llm_check(), id="refuse", applies={"llm": "Off topic?"}, converse=True),
    make_rule({"type": "json"}, id="format", applies={"llm": "Is JSON wanted?"}),
)


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_the_plan_is_what_is_asked_when_every_rule_is_due(
    tmp_path: Path, temperature: float
) -> None:
    made = [make_answer(f"{arm} {n}", f"r{n}", arm) for n in range(5) for arm in "ab"]
    pairs = [(make_row(answer.row), answer) for answer in made]
    judge = judge_at(NOWHERE, tmp_path, TWO_STAGES, temperature=temperature)
    plan = judge.plan(pairs)
    samples = 3 if temperature else 1  # of the must-rule
    assert (plan.probe, plan.applies, plan.verdicts) == (True, 10, 10 + 10 * samples)
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
    assert (plan.probe, plan.applies, plan.verdicts) == (False, 0, 4)


@pytest.mark.parametrize(("asks", "calls"), [("new", 2), ("missing", 6)])
def test_the_plan_of_either_way_of_asking(tmp_path: Path, asks: AskPolicy, calls: int) -> None:
    assert asks != "none"
    judged(after_probe(troubled), tmp_path, pairs_of(7))
    assert judge_at(NOWHERE, tmp_path).plan(pairs_of(8), asks).calls == calls


def test_the_plan_in_words(tmp_path: Path) -> None:
    lines = judge_at(NOWHERE, tmp_path).plan(pairs_of(2)).summary(PRICES)
    assert "3 calls at most: 0 whether a rule applies, 2 for verdicts, 1 (or a few)" in lines[0]
    assert "bytes / 4" in lines[1] and lines[2].startswith("cost: about 0.0")
    assert len(judge_at(NOWHERE, tmp_path).plan(pairs_of(2)).summary(None)) == 2


def test_probes_count_as_calls(tmp_path: Path) -> None:
    with serving(lambda body: verdict()) as served:
        judge = judge_at(served.url, tmp_path)
        judge.verdicts(pairs_of(3))
        assert (
            judge.usage.calls == len(served.bodies) == 4 and sum(map(is_probe, served.bodies)) == 1
        )
