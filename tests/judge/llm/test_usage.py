"""Token counts of a server: believed where they can be right, otherwise estimated, said once."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.judging import JudgeSettings, Prices, ServerSettings
from judge.llm.judge import LlmJudge
from tests.judge.factories import PROMPT
from tests.judge.llm.judge_factory import POLITE, QUICK, outcomes, pairs_of
from tests.judge.llm.server import Sent, serving, verdict

PRICES = Prices(prompt=2.0, completion=8.0)
GOOD = {"prompt_tokens": 1000, "completion_tokens": 20}


def sent(usage: str) -> Sent:
    """A good verdict with this JSON as its usage, in a form that `json` would not write."""
    choice = {"message": {"content": verdict().text}, "finish_reason": "stop"}
    return Sent(raw=f'{{"choices": [{json.dumps(choice)}], "usage": {usage}}}'.encode())


def judged_with(usage: str, path: Path, max_cost: float | None = None) -> LlmJudge:
    """A judge after twenty verdicts by a server that states this usage."""
    with serving(lambda body: sent(usage)) as served:
        server = ServerSettings(
            base_url=served.url, model="m", concurrency=1, price_per_million=PRICES
        )
        settings = JudgeSettings(max_cost=max_cost)
        judge = LlmJudge(server, settings, POLITE, PROMPT, path / "calls.jsonl", QUICK)
        verdicts = judge.verdicts(pairs_of(20))
    if max_cost is None:
        assert outcomes(verdicts) == [("pass", None)] * 20, "a count costs no verdict"
    return judge


NONSENSE = [
    *("-5", "0", "null", "true", "false", "NaN", "Infinity", "-Infinity", '"many"', '""', "[1]"),
    *('{"a": 1}', "1e30", "1" + "0" * 30, "-1e-9", '"-5"', '"NaN"', '"1e30"', "999999", "0.2"),
]


@pytest.mark.parametrize("count", NONSENSE)
def test_nonsense_is_estimated(
    tmp_path: Path, count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if the server stated none: from the bytes. 999,999 tokens are in no request of 3 kB."""
    stated = f'{{"prompt_tokens": {count}, "completion_tokens": {count}}}'
    usage = judged_with(stated, tmp_path / "a").usage
    lines = capsys.readouterr().err
    estimate = judged_with("null", tmp_path / "b").usage
    assert usage == estimate and usage.estimated == usage.calls == 21
    assert usage.cost is not None and 0 < usage.cost < 21 * (4000 * 2 + 200 * 8) / 1e6
    assert lines.count("states no token counts that can be right") == 1
    assert "judge.llm: the server" in lines and "bytes / 4" in lines


@pytest.mark.parametrize("usage", ["null", "[]", '"x"', "7", "{}", "true", "[[[[]]]]"])
def test_a_usage_of_another_form_is_none(tmp_path: Path, usage: str) -> None:
    assert judged_with(usage, tmp_path).usage.estimated == 21


def test_counts_that_can_be_right_are_believed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A thousand tokens in a request of a few thousand bytes; hidden reasoning beyond the limit."""
    usage: dict[str, Any] = {**GOOD, "completion_tokens": 40_000}
    spent = judged_with(json.dumps(usage), tmp_path).usage
    assert (spent.prompt_tokens, spent.completion_tokens) == (21 * 1000, 21 * 40_000)
    assert spent.estimated == 0 and "token counts" not in capsys.readouterr().err


@pytest.mark.parametrize("count", ["-1000000", "0", "1e30", "true", "9" * 29])
def test_no_count_of_the_server_lifts_or_spends_a_budget(tmp_path: Path, count: str) -> None:
    """The budget of about nine calls allows as many as at a server that states nothing."""
    stated = f'{{"prompt_tokens": {count}, "completion_tokens": {count}}}'
    judge = judged_with(stated, tmp_path / "a", max_cost=0.009)
    assert judge.usage == judged_with("null", tmp_path / "b", max_cost=0.009).usage
    assert 5 < judge.usage.calls < 15 and judge.usage.unasked > 0


def test_a_count_is_stored_as_a_number(tmp_path: Path) -> None:
    """A second run reads the stored replies, and counts nothing of them."""
    judged_with('{"prompt_tokens": 1e30, "completion_tokens": NaN}', tmp_path)
    assert judged_with("null", tmp_path).usage.calls == 0
