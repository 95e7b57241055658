"""The dry run's count of the judge's calls, against the calls that the judge then makes."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from config.judging import ServerSettings
from config.load import load_config
from config.schema import Config
from data.rows import Row
from data.run_paths import RunPaths
from judge.inputs import JudgedSplit
from judge.run import judge_run
from pipeline.plan.judge_plan import expected_arms, plan_judging
from tests.judge.factories import make_row, make_rule
from tests.judge.llm.judge_factory import after_probe
from tests.judge.llm.rule_server import kind_rule, reply
from tests.judge.llm.server import Sent, serving, user, verdict
from tests.judge.run_folder import LINK, answer_hidden, answer_val, make_run

LABEL = {"code": [{"field": "labels", "matches": "off"}]}
RULES = (
    LINK,  # by code: no call
    kind_rule("a"),
    kind_rule("b", severity="should"),
    kind_rule("c", applies=LABEL),  # of the labelled rows, the odd ones
    kind_rule("d", applies=LABEL, converse=True),  # of all labelled rows
    kind_rule("e", applies={"llm": "Off topic?"}, converse=True),  # two stages
    kind_rule("f", sees=["answer"]),
    make_rule({"type": "json"}, id="g", applies={"llm": "Is JSON wanted?"}),  # stage A alone
)
VAL = [make_row(f"v{n}", labels=("off",) if n % 2 else ("fine",)) for n in range(6)]
HIDDEN = [make_row(f"h{n}") for n in range(4)]
SHOWN: dict[JudgedSplit, Sequence[Row]] = {"val": VAL, "hidden": HIDDEN}
ARMS = ("base", "teacher", "student/a", "student/b", "student/a+prompt")


def run_of(folder: Path, url: str, **judge: object) -> Config:
    """A run that all arms have answered, each in its own words; student a is the best."""
    run = make_run(folder, RULES)
    answer_val(run, VAL, {arm: [f"{arm} {row.id} link" for row in VAL] for arm in ARMS})
    answer_hidden(
        run, HIDDEN, {arm: [f"{arm} {row.id} link" for row in HIDDEN] for arm in ("base", "a")}
    )
    config = load_config(run.config, [])
    server = ServerSettings(base_url=url, model="m", api_key_env="JUDGE_TEST_KEY")
    settings = config.judge.model_copy(update={"llm": server, **judge})
    return config.model_copy(update={"judge": settings})


def planned_and_sent(folder: Path, due: str, **judge: object) -> tuple[int, int]:
    """The planned calls and the sent ones; the model always answers `due` on applicability."""

    def respond(body: dict[str, object]) -> Sent:
        return (
            reply(body, lambda row, rule: "pass") if "[begin answer" in user(body) else verdict(due)
        )

    with serving(after_probe(respond)) as served:
        config = run_of(folder, served.url, **judge)
        server = config.judge.llm
        assert isinstance(server, ServerSettings)
        plan = plan_judging(config, server, SHOWN)
        assert not RunPaths.of(config).judge_calls.exists() and not served.bodies
        for split in SHOWN:
            judge_run(config, server, split)
        return plan.calls, len(served.bodies)


@pytest.mark.parametrize("temperature", [0.0, 0.7])
@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("arms", [None, ("base", "student/a"), ("student/a+prompt",)])
def test_is_what_is_asked_when_every_rule_is_due(
    tmp_path: Path, temperature: float, size: int, arms: tuple[str, ...] | None
) -> None:
    settings = {"temperature": temperature, "rules_per_call": size, "arms": arms}
    planned, sent = planned_and_sent(tmp_path, "yes", **settings)
    assert planned == sent > 1


def test_by_hand(tmp_path: Path) -> None:
    """The numbers of two settings, from the rules' comments."""
    stage_a = 2 * (6 + 4)
    val, hidden = 5 * (4 * 6 + 3 + 6), 2 * (4 * 4)  # a, b, e, f on all; c on half of val, d on val
    assert planned_and_sent(tmp_path / "one", "yes")[0] == 1 + stage_a + val + hidden
    four = {"rules_per_call": 4}  # a–d, e, f
    val, hidden = 5 * (3 * 6), 2 * (3 * 4)
    assert planned_and_sent(tmp_path / "four", "yes", **four)[0] == 1 + stage_a + val + hidden


@pytest.mark.parametrize("size", [1, 8])
def test_is_never_too_low(tmp_path: Path, size: int) -> None:
    """The converse of e is asked where e is not due; nothing else changes the number."""
    planned, sent = planned_and_sent(tmp_path, "no", rules_per_call=size)
    assert planned == sent
    # an arm that is not the best student answers no hidden row
    planned, sent = planned_and_sent(tmp_path / "b", "no", rules_per_call=size, arms=("student/b",))
    assert planned > sent


def test_equal_questions_and_what_is_stored_are_not_counted_again(tmp_path: Path) -> None:
    with serving(after_probe(lambda body: verdict("yes"))) as served:
        config = run_of(tmp_path, served.url)
        server = config.judge.llm
        assert isinstance(server, ServerSettings)
        first = plan_judging(config, server, SHOWN)
        judge_run(config, server)
        again = plan_judging(config, server, SHOWN)
    assert (first.stages["probe"], first.stages["applies"]) == (1, 20)
    assert (again.stages["probe"], again.stages["applies"]) == (0, 8)  # hidden's
    assert again.stages["verdict"] == first.stages["verdict"]  # no answer is known yet
    twice: dict[JudgedSplit, Sequence[Row]] = {
        "hidden": [make_row("x", question="Same?"), make_row("y", question="Same?")]
    }
    assert plan_judging(config, server, twice).stages["applies"] == 2


def test_expected_arms(tmp_path: Path) -> None:
    config = load_config(make_run(tmp_path).config, [])

    def arms(*wanted: str) -> tuple[list[str], list[str]]:
        judge = config.judge.model_copy(update={"arms": wanted or None})
        limited = config.model_copy(update={"judge": judge})
        return expected_arms(limited, "val"), expected_arms(limited, "hidden")

    students = ["student/a", "student/b"]
    assert arms() == (["base", "teacher", *students, "student/a+prompt"], ["base", "student/a"])
    assert arms("student/b", "student/b+prompt") == (
        ["student/b", "student/b+prompt"],
        ["student/b"],
    )
    assert arms("teacher") == (["teacher"], [])
