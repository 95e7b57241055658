"""A second model: verdicts stand where both agree, and budget, plan and κ count both."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.errors import ConfigError, SetupError
from config.judging import JudgeSettings, Prices, ServerSettings
from judge.calibration.record import judge_fingerprint
from judge.llm.judge import LlmJudge
from judge.metrics.agreement import judges_agreement, kappa_interval
from judge.metrics.verdict_table import build_verdict_table
from tests.judge.factories import PROMPT, llm_check, make_rule, make_rules
from tests.judge.llm.judge_factory import POLITE, QUICK, after_probe, outcomes, pairs_of
from tests.judge.llm.server import Sent, Served, error, is_probe, serving, user, verdict

NOWHERE = "http://127.0.0.1:9/v1"
PRICES = Prices(prompt=2.0, completion=8.0)
Say = Callable[[dict[str, Any]], str]


def server_at(url: str, model: str, prices: Prices | None = None) -> ServerSettings:
    return ServerSettings(
        base_url=url, model=model, api_key_env="JUDGE_TEST_KEY", price_per_million=prices
    )


@contextmanager
def two_servers(first: Say, second: Say) -> Iterator[tuple[Served, Served]]:
    """Two servers that rule by these functions of a request."""
    with (
        serving(after_probe(lambda body: verdict(first(body)))) as one,
        serving(after_probe(lambda body: verdict(second(body)))) as two,
    ):
        yield one, two


def judge_of(
    servers: tuple[Served, Served], path: Path, rules: Any = POLITE, **settings: Any
) -> LlmJudge:
    second = server_at(servers[1].url, "n", settings.pop("second_prices", None))
    prices = settings.pop("prices", None)
    own = JudgeSettings(llm=server_at(servers[0].url, "m"), second=second, **settings)
    first = server_at(servers[0].url, "m", prices)
    return LlmJudge(first, own, rules, PROMPT, path / "calls.jsonl", QUICK)


def number(body: dict[str, Any]) -> int:
    """Of the row that a request asks about."""
    return int(user(body).split("Question r")[1].split("?")[0])


def thirds(body: dict[str, Any]) -> str:
    return "fail" if number(body) % 3 == 0 else "pass"


def halves(body: dict[str, Any]) -> str:
    return "fail" if number(body) % 2 == 0 else "pass"


def test_a_verdict_needs_both(tmp_path: Path) -> None:
    with two_servers(thirds, halves) as servers:
        judge = judge_of(servers, tmp_path)
        verdicts = judge.verdicts(pairs_of(6))
        assert [(v.outcome, v.reason) for v in verdicts] == [
            ("fail", None),
            ("pass", None),
            ("missing", "disagreement"),
            ("missing", "disagreement"),
            ("missing", "disagreement"),
            ("pass", None),
        ]
        assert verdicts[2].note == "m says pass: So it is.; n says fail: So it is."
        assert [v.judges for v in verdicts][:3] == [
            ("fail", "fail"),
            ("pass", "pass"),
            ("pass", "fail"),
        ]
        assert judge.usage.calls == 14 and (judge.mode, judge.second_mode) == ("json_schema",) * 2
        again = judge_of(servers, tmp_path)
        assert again.verdicts(pairs_of(6)) == verdicts and again.usage.calls == 0
        assert again.verdicts(pairs_of(6), "none") == verdicts  # both parts are stored


def test_what_one_model_does_not_decide_is_missing_for_its_reason(tmp_path: Path) -> None:
    with two_servers(lambda body: "pass", lambda body: "cannot_judge") as servers:
        (undecided,) = judge_of(servers, tmp_path).verdicts(pairs_of(1))
    assert (undecided.reason, undecided.judges) == ("cannot_judge", None)
    assert undecided.note == "n: So it is."


def test_they_may_disagree_on_whether_a_rule_applies(tmp_path: Path) -> None:
    """The second finds the rule due nowhere: no answer is asked about."""
    rules = make_rules(make_rule(llm_check(), id="refuse", applies={"llm": "Off topic?"}))
    with two_servers(lambda body: "yes", lambda body: "no") as servers:
        judge = judge_of(servers, tmp_path, rules)
        (undecided,) = judge.verdicts(pairs_of(1))
        assert (undecided.outcome, undecided.reason) == ("missing", "disagreement")
        assert undecided.note.startswith("when due: m says yes") and undecided.judges is None
        assert judge.usage.calls == 4


def test_a_converse_rule_turns_both(tmp_path: Path) -> None:
    rules = make_rules(make_rule(llm_check(), id="it", applies={"llm": "Is it?"}, converse=True))

    def say(body: dict[str, Any]) -> str:
        return "pass" if "[begin answer" in user(body) else "no"

    with two_servers(say, say) as servers:
        verdicts = judge_of(servers, tmp_path, rules).verdicts(pairs_of(1))
    assert [(v.rule, v.outcome, v.judges) for v in verdicts] == [
        ("it", "not_applicable", None),
        ("it_converse", "fail", ("fail", "fail")),
    ]


def test_kappa_is_of_all_that_both_ruled_on(tmp_path: Path) -> None:
    with two_servers(thirds, halves) as servers:
        pairs = pairs_of(30)
        verdicts = judge_of(servers, tmp_path).verdicts(pairs)
    table = build_verdict_table(POLITE, [row for row, _ in pairs], verdicts)
    agreement = judges_agreement(table, seed=0)
    assert agreement is not None
    # of 0 … 29: 5 fail by both, 10 pass by both, 5 fail by the first alone, 10 by the second
    counts = agreement.true_fail, agreement.true_pass, agreement.false_pass, agreement.false_fail
    assert counts == (5, 10, 5, 10)
    first = [row % 3 > 0 for row in range(30)]
    second = [row % 2 > 0 for row in range(30)]
    assert agreement.kappa == kappa_interval(first, second, range(30), 0)
    assert agreement.kappa is not None and agreement.kappa.value == pytest.approx(0.0)
    assert "m and n: Cohen’s κ 0.00 [" in agreement.of_models("m", "n")
    assert "on 30 verdicts; 15 on which they disagree" in agreement.of_models("m", "n")


def test_no_kappa_of_one_model() -> None:
    pairs = pairs_of(1)
    assert judges_agreement(build_verdict_table(POLITE, [pairs[0][0]], []), 0) is None


def test_the_plan_counts_both(tmp_path: Path) -> None:
    with two_servers(thirds, halves) as servers:
        prices = {"prices": PRICES, "second_prices": Prices(prompt=0.0, completion=1.0)}
        plan = judge_of(servers, tmp_path, **prices).plan(pairs_of(5))
        assert plan.stages == {"probe": 2, "verdict": 10} and plan.calls == 12
        own = plan.prompt_tokens / 2 * 2.0 + plan.completion_tokens / 2 * (8.0 + 1.0)
        assert plan.cost == pytest.approx(own / 1e6)
        unpriced = judge_of(servers, tmp_path, prices=PRICES).plan(pairs_of(5))
        assert unpriced.cost is None and len(unpriced.summary()) == 2
        judge = judge_of(servers, tmp_path)
        judge.verdicts(pairs_of(5))
        assert judge.plan(pairs_of(6)).calls == 2


def test_one_budget_for_both(tmp_path: Path) -> None:
    """10 + 5 tokens per reply at the prices of the server that gave it."""
    with two_servers(thirds, thirds) as servers:
        judge = judge_of(servers, tmp_path / "calls", max_calls=8)
        missing = Counter(outcomes(judge.verdicts(pairs_of(10))))["missing", "budget"]
        assert judge.usage.calls == 8 and missing >= 7
        second = Prices(prompt=0.0, completion=4.0)
        judge = judge_of(servers, tmp_path / "cost", prices=PRICES, second_prices=second)
        judge.verdicts(pairs_of(3))
        assert judge.usage.cost == pytest.approx((4 * (20 + 40) + 4 * 20) / 1e6)
        with pytest.raises(ConfigError, match=r"add judge\.second\.price_per_million"):
            judge_of(servers, tmp_path, prices=PRICES, max_cost=1.0)


def test_errors_name_the_second_setting(tmp_path: Path) -> None:
    refuse = error(401, "invalid api key")
    with (
        serving(lambda body: verdict()) as one,
        serving(lambda body: refuse) as two,
        pytest.raises(SetupError, match=r"^judge\.second: .*model n: .*key was refused"),
    ):
        judge_of((one, two), tmp_path).verdicts(pairs_of(1))


def test_the_fingerprint_holds_the_second(tmp_path: Path) -> None:
    with two_servers(thirds, thirds) as servers:
        judge = judge_of(servers, tmp_path)
        judge.verdicts(pairs_of(1))
    fingerprint = judge_fingerprint(POLITE, PROMPT, judge)
    assert fingerprint.second == "n (json_schema)"
    alone = fingerprint.model_copy(update={"second": ""})
    assert fingerprint.differing(alone) == ["second"]


def test_modes_of_output_are_each_its_own(tmp_path: Path) -> None:
    def plain_only(body: dict[str, Any]) -> Sent:
        if "response_format" in body or "structured_outputs" in body:
            return error(400, "no")
        return Sent("VERDICT: pass")

    with serving(lambda body: verdict()) as one, serving(plain_only) as two:
        judge = judge_of((one, two), tmp_path)
        assert outcomes(judge.verdicts(pairs_of(2))) == [("pass", None)] * 2
    assert (judge.mode, judge.second_mode) == ("json_schema", "plain")
    assert sum(map(is_probe, two.bodies)) == 4


def test_what_cannot_be_a_second_model() -> None:
    with pytest.raises(ValidationError, match=r"second: there is no first model; set judge\.llm"):
        JudgeSettings(second=server_at(NOWHERE, "n"))
    with pytest.raises(ValidationError, match=r"m is the model of judge\.llm too"):
        JudgeSettings(llm=server_at(NOWHERE, "m"), second=server_at(NOWHERE, "m"))
    assert JudgeSettings(llm="embedded", second=server_at(NOWHERE, "m")).second is not None
