"""Candidates scored with the LLM judge: what it rejects, and its missing verdicts."""

from pathlib import Path

import pytest
import yaml

from config.errors import ConfigError
from config.judging import ServerSettings
from config.load import load_config
from config.schema import Config
from data.run_paths import RunPaths
from engine.request_builder import RequestBuilder
from teacher.audit import audit
from teacher.generate import TeacherModels, generate
from teacher.rejection_sampling import select_all
from teacher.scoring import Candidates
from teacher.selection import Selection
from tests.judge.llm.server import Body, Respond, Sent, is_probe, serving, user, verdict
from tests.teacher.candidate_factory import (
    GOOD,
    REMINDER,
    ROOT,
    ScriptedEngine,
    experiment,
    stored,
)


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the demo's prompt paths are relative to it


def judged_experiment(folder: Path, url: str, rounds: dict[str, int]) -> Config:
    """The demo with its LLM rule on friendliness as a must-rule."""
    rules = yaml.safe_load((ROOT / "prompts/lakeside/rules.yaml").read_text("utf-8"))
    rules["rules"] = [
        {**rule, "severity": "must"}
        for rule in rules["rules"]
        if rule["id"] not in ("refusal", "refusal_judged")
    ]
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(rules), "utf-8")
    server = f"{{kind: server, base_url: {url}, model: m, timeout_s: 2, api_key_env: NO_KEY}}"
    settings = ["teacher.score_with_llm=true", f"judge.llm={server}", f"prompt.rules={path}"]
    return experiment(folder, rounds, *settings, "judge.arms=null", "teacher.guided=true")


def generated(config: Config) -> ScriptedEngine:
    """The engine after `generate`."""
    engine = ScriptedEngine(RequestBuilder(config))
    assert isinstance(config.judge.llm, ServerSettings)
    generate(config, TeacherModels(engine, judge=config.judge.llm), accept_changes=False)
    return engine


def selected(config: Config) -> tuple[Selection, Candidates]:
    """The counts of train, and the candidates. No server is running any more."""
    rules, candidates = stored(config)
    selection = select_all(config, candidates)
    audit(config, rules, candidates, selection)
    return selection["train"], candidates


def says(word: str, of: str) -> Respond:
    """A judge that gives `word` to answers whose prompt contains `of`, and pass to all others."""
    return lambda body: verdict() if is_probe(body) or of not in user(body) else verdict(word)


def test_the_judge_rejects_what_code_lets_pass(tmp_path: Path) -> None:
    """`b` passes every code rule and fails the LLM rule: all its candidates are sampled, the
    reminder names the rule, and the row is left out. Selection asks nobody.
    """
    with serving(says("fail", "museum open, b,")) as served:
        config = judged_experiment(tmp_path, served.url, {"a": 0, "b": 0})
        engine = generated(config)
        calls = len(served.bodies)
    assert engine.asked == {
        "When does the museum open, a, good at 0": 2,  # in train and in val
        "When does the museum open, b, good at 0": 4 + 3 + 1 + 2,  # focused, reminded, prefilled
    }
    (prompt,) = engine.reminded
    assert "Be friendly." in prompt.rsplit(REMINDER, 1)[1], "the LLM rule is named by its text"
    selection, _ = selected(config)
    assert (selection.rows_selected, selection.rows_left_out) == (1, {"broke_must_rule": ("b",)})
    # other texts are duplicates; the fake does not go on from a beginning: a prefilled one is empty
    assert selection.broken_rules == {"friendly": 2, "grounded": 1}
    assert selection.undecided_rules == {}
    assert sum(is_probe(body) for body in served.bodies) == 1
    # one for the base and one for each text of a row: equal texts share their verdict
    assert calls == len(served.bodies) == 1 + 2 * 2 + 1


@pytest.mark.parametrize(
    "reply",
    [
        Sent("I would rather not say."),  # malformed
        Sent(status=400, raw=b'{"error": {"message": "bad request"}}'),
        verdict("cannot_judge"),
    ],
)
def test_a_missing_verdict_neither_selects_nor_breaks_a_rule(tmp_path: Path, reply: Sent) -> None:
    """Row `b` is undecided, with the rule named; it gets no guided candidate, because no rule is
    known to be broken. `a`, which has a verdict, is selected.
    """

    def respond(body: Body) -> Sent:
        return reply if not is_probe(body) and "open, b," in user(body) else verdict()

    with serving(respond) as served:
        config = judged_experiment(tmp_path, served.url, {"a": 0, "b": 0})
        engine = generated(config)
    assert not engine.reminded
    selection, candidates = selected(config)
    assert selection.rows_left_out == {"undecided": ("b",)} and selection.rows_selected == 1
    assert (selection.undecided_rules, selection.broken_rules) == ({"friendly": 1}, {})
    answers = [candidate.answer for candidate in candidates.train]
    assert {answer.text for answer in answers if answer.row == "b"} == {GOOD}
    rules, _ = stored(config)
    rule = audit(config, rules, candidates, {"train": selection}).rules["friendly"]
    assert (rule.first.n, rule.first.value, rule.best.n) == (1, 1.0, 1), "b is in no share"


def test_selection_without_the_judges_verdicts_selects_nothing(tmp_path: Path) -> None:
    """Candidates that only the code rules scored are undecided until the judge has scored them."""
    with serving(says("pass", "")) as served:
        config = judged_experiment(tmp_path, served.url, {"a": 0, "b": 0})
        code_only = config.teacher.model_copy(update={"score_with_llm": False})
        code = config.model_copy(update={"teacher": code_only})
        generate(code, TeacherModels(ScriptedEngine(RequestBuilder(code))), accept_changes=False)
        selection, _ = selected(config)
        assert not served.bodies and not RunPaths.of(config).teacher_calls.exists()
        assert (selection.selected, selection.rows_left_out) == (0, {"undecided": ("a", "b")})
        generated(config)  # asks only the judge: the candidates are stored
        assert selected(config)[0].rows_selected == 2
        judge_calls = len(served.bodies)
        generated(config)
        assert len(served.bodies) == judge_calls, "every verdict is stored"


def test_judging_needs_a_judge() -> None:
    with pytest.raises(
        ConfigError, match=r"teacher\.score_with_llm: there is no judge model; set judge"
    ):
        load_config(ROOT / "config/demo.yaml", ["teacher.score_with_llm=true", "judge.llm=none"])
