"""Every action of every command, in runs that have not got far enough for it.

Each ends with exit code 2 and one line, which says what is missing and what to do first.
"""

import importlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.checkout import ROOT
from config.cli import run_command
from config.errors import DataError
from config.load import load_config
from data.atomic_write import write_text
from data.file_lock import claim
from data.fingerprint import fingerprint_path
from data.jsonl import read_records, write_records
from data.rows import Row
from data.run_paths import RunPaths
from engine.request_builder import RequestBuilder
from judge.__main__ import judge_parser
from student.__main__ import student_parser
from student.dataset import load_training_data
from teacher.__main__ import teacher_parser
from tests.judge.factories import make_answer
from tests.student.run_factory import experiment, tiny_model

BATCH = "teacher.engine={kind: batch, model: m, same_tokenizer: true}"
COMMANDS = {
    "teacher probes": ("probes={}",),
    "teacher generate": (),
    "teacher merge": (),
    "teacher select": (),
    "teacher prepare": (BATCH,),
    "teacher collect": (BATCH,),
    "student train": (),
    "student predict": (),
    "student search": ("search={}",),
    "judge score": (),
    "judge score --dry-run": (),
    "judge score --reparse": (),
    "judge score --retry-missing": (),
    "judge score --split hidden": (),
    "judge calibrate": (),
    "judge calibrate --code": (),
    "judge draft-rules": (),
    "judge gate": (),
    "judge export-for-labelling --arm base --rows 1": (),
    "judge import-labels no_sheet.csv": (),
    "report": (),
}
Ended = tuple[int | str | None, str]  # exit code, standard error
Run = Callable[[str], Ended]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def run(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunPaths]:
    """The paths of an experiment, whose rows and selected answers are kept aside."""
    monkeypatch.chdir(ROOT)
    handler = signal.getsignal(signal.SIGTERM)
    run = RunPaths.of(load_config(experiment(tmp_path, model)))
    for name in ("data", "teacher"):
        (run.root / name).rename(tmp_path / name)
    yield run
    signal.signal(signal.SIGTERM, handler)  # a command sets its own


@pytest.fixture
def ended(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command in this process, as `python -m` would."""

    def end_of(command: str) -> Ended:
        room, *words = command.split()
        config = str(run.root.parent / "t.yaml")
        overrides = ("judge.llm=none", "judge.arms=null", *COMMANDS.get(command, ()))
        monkeypatch.setattr("sys.argv", [room, config, *words, *overrides])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run_command(importlib.import_module(f"{room}.__main__").main)
        return end.value.code, capsys.readouterr().err

    return end_of


def refused(ended: Run, works: set[str]) -> dict[str, str]:
    """Command → its error line, of all commands that do not work yet."""
    lines = {}
    for command in COMMANDS.keys() - works:
        code, errors = ended(command)
        assert code == 2, (command, code, errors)
        assert errors.startswith("error: ") and errors.count("\n") == 1, (command, errors)
        lines[command] = errors
    return lines


def prepare(run: RunPaths) -> list[Row]:
    """Puts the rows in their place; returns those of val."""
    (run.root.parent / "data").rename(run.data)
    return list(read_records(run.split("val"), Row))


def test_every_action_is_here() -> None:
    """The parsers themselves name their actions."""
    parsers = {"teacher": teacher_parser(), "student": student_parser(), "judge": judge_parser()}
    for room, parser in parsers.items():
        names = {name.split()[1] for name in COMMANDS if name.startswith(room)}
        assert set(parser.actions()) == names


def test_an_empty_run(run: RunPaths, ended: Run) -> None:
    """Whatever needs rows says that there are none. Drafting rules needs a server instead."""
    lines = refused(ended, set())
    for command, line in lines.items():
        if command not in ("judge draft-rules", "teacher merge", "judge gate"):
            assert "unprompted run CONFIG` first" in line, (command, line)
    assert not run.root.exists() or not list(run.root.glob("report.*"))


def test_a_run_with_rows(run: RunPaths, ended: Run) -> None:
    """What comes first is named, not what the command itself does."""
    prepare(run)
    asks = {"teacher generate", "teacher prepare", "judge calibrate"}  # start their work
    lines = refused(ended, {*asks, "teacher probes", "judge calibrate --code"})
    expected = {
        "teacher merge": "generate --shard",
        "teacher select": "teacher CONFIG generate",
        "teacher collect": "teacher CONFIG prepare",
        "student train": "teacher CONFIG select",
        "student search": "as far as `teacher select`",
        "student predict": "student CONFIG train",
        "judge score": "student CONFIG predict",
        "judge score --dry-run": "student CONFIG predict",
        "judge score --split hidden": "student CONFIG predict",
        "judge gate": "judge CONFIG score",
        "report": "pipeline CONFIG",
    }
    for command, way_out in expected.items():
        assert way_out in lines[command], lines[command]


def test_a_run_with_the_bases_answers(run: RunPaths, ended: Run) -> None:
    """The base has answered val, nothing was trained: one arm can be scored and labelled."""
    rows = prepare(run)
    (run.root.parent / "teacher").rename(run.root / "teacher")
    write_records(run.answers("base"), [make_answer("Lakeside desk: yes.", row.id) for row in rows])
    for command in ("judge score --reparse", "judge export-for-labelling --arm base --rows 1"):
        assert ended(command) == (0, ""), command
    early = ("student predict", "judge score --split hidden", "judge gate", "teacher select")
    for command in (*early, "judge import-labels no_sheet.csv"):
        code, errors = ended(command)
        assert (code, errors[:7], errors.count("\n")) == (2, "error: ", 1), (command, errors)


@pytest.mark.parametrize("change", ["gone", "reworded", "prompt"])
def test_answers_to_something_else(run: RunPaths, ended: Run, change: str) -> None:
    """Rows or prompt have changed since: what reads the answers names what answers them anew."""
    rows = prepare(run)
    arms = {
        "base": "student CONFIG predict",
        "candidates/base": "teacher CONFIG generate",
        "candidates/train": "teacher CONFIG generate",
    }
    train = list(read_records(run.split("train"), Row))
    for arm in arms:
        answered = rows if arm == "base" else train
        write_records(run.answers(arm), [make_answer("Yes.", row.id, arm) for row in answered])
        if change == "prompt":
            write_text(fingerprint_path(run.answers(arm)), '{"prompt": "earlier"}')
        elif change == "reworded":
            write_text(fingerprint_path(run.answers(arm)), '{"rows": "earlier"}')
    if change == "gone":
        write_records(run.split("val"), rows[1:])
        write_records(run.split("train"), train[1:])
    for command in ("judge score", "judge export-for-labelling --arm base --rows 1"):
        code, errors = ended(command)
        assert (code, errors[:7], errors.count("\n")) == (2, "error: ", 1), errors
        assert f"`python -m {arms['base']} --accept-changes` first" in errors
    code, errors = ended("teacher select")
    assert (code, errors[:7], errors.count("\n")) == (2, "error: ", 1), errors
    assert f"`python -m {arms['candidates/train']} --accept-changes` first" in errors


def test_selected_answers_to_rows_that_are_gone(run: RunPaths) -> None:
    prepare(run)
    (run.root.parent / "teacher").rename(run.root / "teacher")
    train = list(read_records(run.split("train"), Row))
    write_records(run.split("train"), train[1:])
    config = load_config(run.root.parent / "t.yaml")
    with pytest.raises(DataError, match=r"row r0: .*`unprompted teacher CONFIG select` first"):
        load_training_data(config, config.students[0], RequestBuilder(config))


CLAIMS = {
    "teacher": "teacher",
    "judge": "judge",
    "student train": "student/s",
    "student predict": "best",
}


def test_a_command_that_writes_what_another_one_writes(run: RunPaths, ended: Run) -> None:
    """Refused before any work. A dry run writes nothing, and workers of a search share one."""
    prepare(run)
    (run.root.parent / "teacher").rename(run.root / "teacher")
    for command in COMMANDS.keys() - {"judge score --dry-run", "student search", "report"}:
        room, action = command.split()[:2]
        part = CLAIMS.get(room) or CLAIMS[f"{room} {action}"]
        with claim(run.root, part):
            code, errors = ended(command)
        assert code == 2 and errors.count("\n") == 1, (command, errors)
        if command != "student predict":  # says first that nothing is trained
            assert f"/{part}: process " in errors and "is writing it" in errors, (command, errors)
