"""Calibrates rule files and rows of every kind: what can be measured is, the rest is said."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from config.judging import ServerSettings
from config.load import load_config
from config.schema import Config
from data.atomic_write import write_text
from data.jsonl import write_records
from data.rows import Row
from data.run_paths import RunPaths
from judge.calibration.calibrate import calibrate, calibrate_command
from judge.calibration.record import Calibration
from judge.metrics.verdict_table import USEFUL
from prompts.rules import Rule
from tests.judge.factories import llm_check, make_row, make_rule
from tests.judge.llm.judge_factory import after_probe
from tests.judge.llm.server import serving, verdict
from tests.judge.run_folder import make_run

LABELLED = {"code": [{"field": "labels", "matches": "good"}]}
CODE = make_rule({"type": "contains", "text": "link"}, id="code")
SHOULD = make_rule({"type": "contains", "text": "link"}, id="should", severity="should")
BY_LABEL = make_rule({"type": "contains", "text": "no"}, id="by_label", applies=LABELLED)
ASKED = make_rule(llm_check(), id="asked")
ASKED_WHEN = make_rule({"type": "json"}, id="asked_when", applies={"llm": "Is JSON wanted?"})
RULES: dict[str, tuple[Rule, ...]] = {
    "llm rules only": (ASKED,),
    "should-rules only": (SHOULD,),
    "should-rules by a model": (make_rule(llm_check(), id="asked", severity="should"),),
    "label conditions and llm rules": (BY_LABEL, ASKED),
    "label conditions only": (BY_LABEL,),
    "conditions by a model only": (ASKED_WHEN,),
    "shadowed": (make_rule({"type": "json"}, id="code", shadow_llm="asked"), ASKED),
    "one rule": (CODE,),
}


def make_rows(name: str, **settings: Any) -> list[Row]:
    """Four labelled rows with two logged answers each, unless `settings` say otherwise."""
    answers = {"production": "A link.", "x": "A link.", "y": "no"}
    values: dict[str, Any] = {"answers": answers, "labels": ("both good",)} | settings
    return [make_row(f"{name}{number}", **values) for number in range(4)]


ROWS: dict[str, tuple[Sequence[Row], Sequence[Row]]] = {
    "labelled": (make_rows("t"), make_rows("v", labels=("both bad",))),
    "empty val": (make_rows("t"), []),
    "nothing at all": ([], []),
    "no logged answers": (make_rows("t", answers={}), make_rows("v", answers={})),
    "no labels": (make_rows("t", labels=None), make_rows("v", labels=None)),
    "one row": ([], make_rows("v")[:1]),
    "empty answers": (make_rows("t", answers={"x": "", "y": " "}), make_rows("v")),
}


def run_of(
    folder: Path, rules: Sequence[Rule], rows: tuple[Sequence[Row], Sequence[Row]]
) -> Config:
    """The settings of a prepared run."""
    run = make_run(folder, rules)
    write_records(run.split("train"), rows[0])
    write_records(run.split("val"), rows[1])
    return load_config(run.config, [])


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("rules", RULES)
def test_by_code(tmp_path: Path, capsys: pytest.CaptureFixture[str], rules: str, rows: str) -> None:
    """Every gold label is counted once per score, decided or missing, whatever is decided."""
    config = run_of(tmp_path, RULES[rules], ROWS[rows])
    assert calibrate_command(config, Namespace(code=True)) == 0
    path = RunPaths.of(config).calibration
    calibration = Calibration.model_validate_json(path.read_bytes())
    gold = calibration.gold.good + calibration.gold.bad
    for score in calibration.useful.values():
        for parts in ((score.tune, score.report), (score.whole,), (score.left_out,)):
            assert sum(part.n + part.missing for part in parts) == gold
    assert set(calibration.useful) >= {USEFUL}
    printed = capsys.readouterr().out
    must = any(rule.severity == "must" for rule in RULES[rules])
    assert ("no rule is a must-rule" in printed) == (not must and bool(ROWS[rows][1]))
    assert ("attacks: not tried" in printed) == (not must or not ROWS[rows][1])


def test_should_rules_are_counted_by_gold(tmp_path: Path) -> None:
    """Without a must-rule the pass counts still say how good and bad answers do on each rule.

    Both rivals of four rows are good and of four rows bad; one of the two contains "link".
    """
    calibration = calibrate(run_of(tmp_path, (SHOULD,), ROWS["labelled"]), None)
    (counts,) = calibration.rules
    assert (counts.good, counts.good_passes, counts.bad, counts.bad_passes) == (8, 4, 8, 4)


@pytest.mark.parametrize("rows", ["labelled", "empty val", "nothing at all"])
@pytest.mark.parametrize("rules", ["llm rules only", "label conditions and llm rules"])
def test_with_a_server(tmp_path: Path, rules: str, rows: str) -> None:
    """A model that passes everything: every answer with gold is decided."""
    config = run_of(tmp_path, RULES[rules], ROWS[rows])
    with serving(after_probe(lambda body: verdict("pass"))) as served:
        server = ServerSettings(base_url=served.url, model="m", api_key_env="JUDGE_TEST_KEY")
        calibration = calibrate(config, server)
    assert (calibration.attacks.llm_row is None) == (not ROWS[rows][1])
    assert calibration.useful[USEFUL].whole.missing == 0


def test_code_alone_never_replaces_the_calibration_of_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It took thousands of calls, and the pipeline calibrates by code at every change."""
    config = run_of(tmp_path, RULES["label conditions and llm rules"], ROWS["labelled"])
    path = RunPaths.of(config).calibration
    with serving(after_probe(lambda body: verdict("pass"))) as served:
        server = ServerSettings(base_url=served.url, model="m", api_key_env="JUDGE_TEST_KEY")
        write_text(path, calibrate(config, server).model_dump_json())
    before = path.read_bytes()
    assert calibrate_command(config, Namespace(code=True)) == 0
    assert path.read_bytes() == before
    assert f"kept: {path} is of m" in capsys.readouterr().out
    path.unlink()
    assert calibrate_command(config, Namespace(code=True)) == 0
    assert calibrate_command(config, Namespace(code=True)) == 0
    assert "kept" not in capsys.readouterr().out
