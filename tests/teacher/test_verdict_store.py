"""Stored verdicts: selection reads them, a change makes them stale, a kill loses only the last."""

from pathlib import Path

import pytest
import yaml

from config.schema import Config
from data.answers import verdicts_path
from data.jsonl import read_records
from data.run_paths import RunPaths
from engine.request_builder import RequestBuilder
from teacher.generate import TeacherModels, generate
from teacher.rejection_sampling import select_all
from teacher.scoring import BASE_ARM
from teacher.selection import Selection
from teacher.verdict_store import AnswerVerdicts, open_verdicts
from tests.teacher.candidate_factory import ROOT, ScriptedEngine, candidate, experiment, stored

ARMS = (BASE_ARM, "candidates/train", "candidates/val")


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the demo's prompt paths are relative to it


def generated(folder: Path, *changes: str) -> Config:
    """A run with two rows: `a` gets a good answer in the second round, `never` none."""
    config = experiment(folder, {"a": 1, "never": 9}, "teacher.guided=false", *changes)
    generate(config, TeacherModels(ScriptedEngine(RequestBuilder(config))), accept_changes=False)
    return config


def selection_of(config: Config) -> Selection:
    """The counts of train."""
    return select_all(config, stored(config)[1])["train"]


def test_every_answer_has_its_verdicts_after_generate(tmp_path: Path) -> None:
    """In the order of their scoring; a second run and a selection leave the files as they are."""
    config = generated(tmp_path)
    paths = [verdicts_path(RunPaths.of(config).answers(arm)) for arm in ARMS]
    before = [path.read_bytes() for path in paths]
    owners = [
        (record.verdicts[0].row, record.verdicts[0].sample)
        for record in read_records(paths[1], AnswerVerdicts)
    ]
    assert owners == [("a", 0), ("never", 0), ("a", 1), *(("never", at) for at in (1, 2, 3))]
    generated(tmp_path)
    selection_of(config)
    assert [path.read_bytes() for path in paths] == before


def test_selection_reads_the_stored_verdicts_until_the_rules_change(tmp_path: Path) -> None:
    """A stored fail turned into a pass is believed; under other rules it is scored again."""
    config = generated(tmp_path)
    assert selection_of(config).rows_left_out == {"broke_must_rule": ("never",)}
    path = verdicts_path(RunPaths.of(config).answers("candidates/train"))
    path.write_bytes(path.read_bytes().replace(b'"fail"', b'"pass"'))
    assert selection_of(config).rows_selected == 2
    rules = yaml.safe_load((ROOT / "prompts/lakeside/rules.yaml").read_text("utf-8"))
    rules["language"] = "ru"
    changed = tmp_path / "rules.yaml"
    changed.write_text(yaml.safe_dump(rules), "utf-8")
    prompt = config.prompt.model_copy(update={"rules": str(changed)})
    selection = selection_of(config.model_copy(update={"prompt": prompt}))
    assert selection.rows_left_out == {"broke_must_rule": ("never",)}


def test_verdicts_lost_in_a_kill_are_made_again(tmp_path: Path) -> None:
    """The file is as if nothing had happened, and no model is asked."""
    config = generated(tmp_path)
    path = verdicts_path(RunPaths.of(config).answers("candidates/train"))
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:30])
    engine = ScriptedEngine(RequestBuilder(config))
    generate(config, TeacherModels(engine), accept_changes=False)
    assert path.read_bytes() == whole and engine.asked.total() == 0


def test_a_normal_exit_leaves_what_was_used(tmp_path: Path) -> None:
    """Replaced and unused verdicts go, in the order of first use; an exception keeps them all."""
    passed, failed = (candidate("r", 0).verdicts, candidate("r", 0, ("fail", "fail")).verdicts)
    path = tmp_path / "answers.jsonl"
    with open_verdicts(path) as store:
        for key in ("unused", "b", "a"):
            store[key] = failed
    with pytest.raises(KeyError), open_verdicts(path) as store:
        assert store.get("a") == tuple(failed) and store.get("c") is None
        raise KeyError
    with open_verdicts(path) as store:
        assert store.get("a") and store.get("b")
        store["a"] = passed
    records = list(read_records(verdicts_path(path), AnswerVerdicts))
    assert [(record.key, record.verdicts) for record in records] == [
        ("a", tuple(passed)),
        ("b", tuple(failed)),
    ]
