"""People judge single rules: from the sheet to the calibration, with two models and tokens too."""

import csv
import io
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from config.errors import ConfigError, DataError
from config.judging import ServerSettings
from config.load import load_config
from config.schema import Config
from data.jsonl import read_record
from data.run_paths import RunPaths
from judge.annotation.export import export_command
from judge.annotation.import_labels import import_labels_command
from judge.annotation.sheet import Labels
from judge.calibration.calibrate import calibrate, summary_lines
from judge.calibration.record import Calibration
from judge.calibration.rule_youden import rule_youden
from judge.run import judge_run
from tests.judge.annotation.sheet_files import sheet_rows, write_sheet
from tests.judge.factories import llm_check, make_row, make_rule
from tests.judge.llm.server import Sent, is_probe, serving, verdict
from tests.judge.llm.token_server import scored_verdict
from tests.judge.run_folder import answer_val, make_run

CODE = make_rule({"type": "contains", "text": "kind"}, id="code", shadow_llm="kind")
KIND = make_rule(llm_check(), id="kind")
ROWS = [make_row(f"r{n}") for n in range(8)]
ANSWERS = {arm: [f"{arm} {'kind' if n < 4 else 'rude'} {n}" for n in range(8)] for arm in "xy"}
ARMS = {"teacher": ANSWERS["x"], "student/a": ANSWERS["y"]}


def run_of(folder: Path, **judge: Any) -> Config:
    run = make_run(folder, (CODE, KIND), **judge)
    answer_val(run, ROWS, ARMS)
    return load_config(run.config, [])


def labelled(config: Config, arm: str = "teacher", rule: str | None = "kind") -> Path:
    """The exported sheet, filled: a text is as kind as it says, but for the first one."""
    folder = RunPaths.of(config).annotation_sheet("x").parent
    before = set(folder.glob("*.csv"))
    assert export_command(config, Namespace(arm=arm, rows=8, rule=rule)) == 0
    (path,) = set(folder.glob("*.csv")) - before
    lines = sheet_rows(path.read_bytes())
    for line in lines:
        good = "kind" in line["answer"] and line["row"] != "r0"
        line["verdict"] = "good" if good else "bad"
    file = io.StringIO()
    writer = csv.DictWriter(file, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    return write_sheet(path.with_suffix(".txt"), file.getvalue())


def calibrated(config: Config, respond: Any, **changes: Any) -> Calibration:
    judge = config.judge.model_copy(update=changes)
    with serving(respond) as served:
        server = ServerSettings(base_url=served.url, model="m", api_key_env="JUDGE_TEST_KEY")
        return calibrate(config.model_copy(update={"judge": judge}), server)


def by_text(body: dict[str, Any]) -> Sent:
    return verdict("pass" if is_probe(body) or "kind" in answer_of(body) else "fail")


def answer_of(body: dict[str, Any]) -> str:
    text = str(body["messages"][-1]["content"])  # of a request to rewrite it too
    return text.split("[begin answer ")[-1].split("[end answer ")[0]


def test_from_the_sheet_to_j(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People find one of the four answers that the judge passes bad: TPR 1, TNR 4/5."""
    config = run_of(tmp_path)
    sheet = labelled(config)
    assert all(line["rule"] == "kind: You are the desk." for line in sheet_rows(sheet.read_bytes()))
    assert import_labels_command(config, Namespace(sheet=sheet)) == 0
    assert "teacher: people labelled 8 answers by kind, 3 good" in capsys.readouterr().out
    stored = read_record(RunPaths.of(config).labels, Labels)
    assert stored.arms == {} and list(stored.rules["kind"]) == ["teacher"]
    calibration = calibrated(config, by_text)
    (people,) = calibration.rule_labels
    counts = people.true_pass, people.false_pass, people.false_fail, people.true_fail
    assert (people.rule, counts, people.missing) == ("kind", (3, 1, 0, 4), 0)
    index = rule_youden("kind", calibration)
    assert index is not None and index.value == pytest.approx(0.8) and index == people.youden
    lines = "\n".join(summary_lines(calibration))
    assert "kind against people who judged it: agreement 0.88 [" in lines
    assert calibration.probability_errors == {}  # none were asked for


def test_labels_of_another_arm_and_rule_stay(tmp_path: Path) -> None:
    config = run_of(tmp_path)
    for arm, rule in (("teacher", "kind"), ("student/a", "kind"), ("teacher", "code")):
        import_labels_command(config, Namespace(sheet=labelled(config, arm, rule)))
    rules = read_record(RunPaths.of(config).labels, Labels).rules
    assert {rule: list(arms) for rule, arms in rules.items()} == {
        "kind": ["teacher", "student/a"],
        "code": ["teacher"],
    }
    calibration = calibrate(config, None)  # the model was not asked: code alone is compared
    assert [(people.rule, people.n) for people in calibration.rule_labels] == [
        ("kind", 0),
        ("code", 8),
    ]


def test_answers_that_changed_do_not_count(tmp_path: Path) -> None:
    config = run_of(tmp_path)
    import_labels_command(config, Namespace(sheet=labelled(config)))
    texts = ["kind anew", *ANSWERS["x"][1:]]
    answer_val(RunPaths.of(config), ROWS, {"teacher": texts})
    (people,) = calibrated(config, by_text).rule_labels
    assert people.n == 7


def test_what_is_no_sheet_of_a_rule(tmp_path: Path) -> None:
    config = run_of(tmp_path)
    with pytest.raises(ConfigError, match=r"--rule none: there is no such rule; .* code, kind"):
        export_command(config, Namespace(arm="teacher", rows=8, rule="none"))
    sheet = labelled(config)
    text = sheet.read_text("utf-8-sig")
    unknown = write_sheet(tmp_path / "unknown.txt", text.replace("kind: You", "gone: You"))
    with pytest.raises(DataError, match="has no rule 'gone', which the sheet is about"):
        import_labels_command(config, Namespace(sheet=unknown))
    mixed = write_sheet(tmp_path / "mixed.txt", text.replace("kind: You", "code: You", 1))
    with pytest.raises(DataError, match=r"mixed\.txt:3: the rule is kind, above it is code"):
        import_labels_command(config, Namespace(sheet=mixed))


def test_the_calibration_error_of_the_probabilities(tmp_path: Path) -> None:
    """0.9 and 0.1 of a judge that is always right by code, and errs once in eight by people.

    By code |0.9 − 1| and |0.1 − 0|: 0.1. By people 3 of 4 pass at 0.9: (0.15 + 0.1) / 2.
    """
    rows = [
        row.model_copy(update={"answers": {"x": ANSWERS["x"][n]}}) for n, row in enumerate(ROWS)
    ]
    config = run_of(tmp_path)
    answer_val(RunPaths.of(config), rows, ARMS)
    import_labels_command(config, Namespace(sheet=labelled(config)))

    def respond(body: dict[str, Any]) -> Sent:
        passing = 0.9 if "kind" in answer_of(body) else 0.1
        return scored_verdict(body, {" pass": passing, " fail": 1 - passing})

    calibration = calibrated(config, respond, token_probabilities=True)
    errors = calibration.probability_errors
    assert [error.n for error in errors.values()] == [8, 8]
    measured = {name: error.ece for name, error in errors.items()}
    expected = {"kind against code (code)": 0.1, "kind against people": 0.125}
    assert measured == pytest.approx(expected)
    assert calibration.judge.token_probabilities
    lines = "\n".join(summary_lines(calibration))
    assert "calibration error of the probabilities, kind against people: 0.125 on 8" in lines


def test_two_models_in_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second passes all: where the first fails, the verdict is missing."""
    with serving(lambda body: verdict()) as other, serving(by_text) as served:
        second = ServerSettings(base_url=other.url, model="n", api_key_env="JUDGE_TEST_KEY")
        first = second.model_copy(update={"base_url": served.url, "model": "m"})
        config = run_of(tmp_path)
        judge = config.judge.model_copy(update={"llm": first, "second": second})
        result = judge_run(config.model_copy(update={"judge": judge}), first)
    between, note = result.between_judges, result.judge
    assert between is not None and note is not None and result.fingerprint is not None
    # of two arms' answers 8 pass by both and 8 by the second alone
    assert (between.true_pass, between.false_pass, between.n) == (8, 8, 16)
    assert between.kappa is not None and between.kappa.value == 0.0
    assert (note.second, note.second_mode, note.calls) == ("n", "json_schema", 34)
    assert note.coverage is not None and note.coverage.missing == {"disagreement": 8}
    assert result.fingerprint.second == "n (json_schema)"
    assert "m says fail" in note.coverage.example and "n says pass" in note.coverage.example
    assert result.scores.arms["teacher"].rules["kind"].missing == {"disagreement": 4}
