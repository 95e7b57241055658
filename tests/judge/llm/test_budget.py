"""The budget of a judge, in calls and in cost."""

from collections import Counter
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.judging import JudgeSettings, Prices, ServerSettings
from judge.llm.judge import LlmJudge
from tests.judge.factories import PROMPT
from tests.judge.llm.judge_factory import (
    POLITE,
    QUICK,
    after_probe,
    judge_at,
    judged,
    outcomes,
    pairs_of,
)
from tests.judge.llm.server import Sent, is_probe, serving, verdict

PRICES = Prices(prompt=2.0, completion=8.0)
CALL = (10 * 2.0 + 5 * 8.0) / 1e6  # what a reply of the test's server costs: 10 + 5 tokens
NOWHERE = "http://127.0.0.1:9/v1"


def priced_judge(url: str, path: Path, max_cost: float | None, concurrency: int = 4) -> LlmJudge:
    server = ServerSettings(
        base_url=url, model="m", concurrency=concurrency, price_per_million=PRICES
    )
    settings = JudgeSettings(max_cost=max_cost)
    return LlmJudge(server, settings, POLITE, PROMPT, path / "calls.jsonl", QUICK)


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
        counts = Counter(outcomes(judge.verdicts(pairs_of(50))))
        assert judge.usage.cost == pytest.approx(judge.usage.calls * CALL)
        assert 10 <= judge.usage.calls <= 10 + concurrency - 1
        assert counts == {
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


def test_cost_without_prices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"max_cost = 3: the server has no prices.*price_per_million"
    ):
        judge_at(NOWHERE, tmp_path, max_cost=3.0)


def test_probes_count_as_calls(tmp_path: Path) -> None:
    with serving(lambda body: verdict()) as served:
        judge = judge_at(served.url, tmp_path)
        judge.verdicts(pairs_of(3))
        assert (
            judge.usage.calls == len(served.bodies) == 4 and sum(map(is_probe, served.bodies)) == 1
        )
