"""Garbled files of a run: every file × every kind of damage ends in one line and exit code 2.

The line names the file and a way out, and what lies at its place stays as it is.
"""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from config.cli import run_command
from config.schema import Config
from config.search_space import SearchSettings
from data.fingerprint import check_fingerprint
from data.run_date import run_date
from data.run_paths import RunPaths
from data.top_logprobs import TopLogprobsStore, read_top_logprobs
from judge.compare_runs import compare_runs
from judge.llm.cache import ReplyCache
from judge.summary.summarise import write_summary
from pipeline.stage_stamp import stage_seconds
from pipeline.stages import pipeline_stages
from prompts.prompt_file import load_prompt
from report.run_files import read_run
from student.search.study import open_study
from teacher.verdict_store import open_verdicts
from tests.data.test_top_logprobs import KEYS, written
from tests.mutated import mutated
from tests.report.run_fixture import STUDENT, make_run

Command = Callable[[Config, Path], object]  # reads the file at this path
GARBLED: dict[str, bytes] = {
    "empty": b"",
    "half": b"",  # half of what it holds
    "binary": bytes(range(256)) + b"\n\x80\n",
    "noughts": b"\0" * 300 + b"\n",
    "UTF-16": '{"a": 1}\n'.encode("utf-16"),
    "another type": b"[[1]]\n",
    "a number": b"1e999\n",
    "other keys": b'{"unexpected": {"a": 1}}\n',
    "deep": b"[" * 100_000 + b"\n",
}
ROUNDS = 20
PLACES = ("folder", "loop", "link to nothing", "unreadable", "failing disk")
REPORT: Command = lambda config, path: read_run(config)  # noqa: E731
SUMMARY: Command = lambda config, path: write_summary(config)  # noqa: E731
READ_BY: dict[str, Command] = {
    "manifest.json": REPORT,
    "timings.json": REPORT,
    "data/quality.json": REPORT,
    "data/val.jsonl": REPORT,
    "teacher/audit.json": REPORT,
    f"student/{STUDENT}/result.json": REPORT,
    f"student/{STUDENT}/metrics.jsonl": REPORT,
    "student/search.json": REPORT,
    "best/choice.json": REPORT,
    "best/adapter/adapter_config.json": REPORT,
    "judge/verdicts.jsonl": REPORT,
    "judge/scores.json": REPORT,
    "judge/summary.json": REPORT,
    "judge/calibration.json": REPORT,
    "answers/base.jsonl": REPORT,
    "judge/labels.json": SUMMARY,
    "judge/hidden.json": SUMMARY,
    "judge/hidden_verdicts.jsonl": SUMMARY,
    "data/hidden.jsonl": SUMMARY,
    "data/train.jsonl": lambda config, path: RunPaths.of(config).rows("train"),
    "data/date.txt": lambda config, path: run_date(path),
    "judge/rules.json": lambda config, path: compare_runs([RunPaths.of(config).root]),
    "judge/calls.jsonl": lambda config, path: ReplyCache(path, writable=False),
    "teacher/calls.jsonl": lambda config, path: ReplyCache(path).close(),
    "stages/data.json": lambda config, path: stage_seconds(
        RunPaths.of(config), pipeline_stages(config, "")
    ),
    "answers/base.fingerprint.json": lambda config, path: check_fingerprint(path, {"a": 1}, False),
    "answers/base.verdicts.jsonl": lambda config, path: _open_verdicts(path),
    "answers/candidates/train.arrow": lambda config, path: read_top_logprobs(path),
    "answers/candidates/val.arrow": lambda config, path: TopLogprobsStore(path, KEYS),
    "student/search/study.db": lambda config, path: open_study(path, SearchSettings()),
}
# What is not damage: a file that is appended to may be empty, or end in a part of a record; a JSON
# object without a schema may have any keys.
APPENDED = {
    *(f"student/{STUDENT}/metrics.jsonl", "answers/base.jsonl", "judge/calls.jsonl"),
    *("teacher/calls.jsonl", "answers/base.verdicts.jsonl"),
    *("answers/candidates/train.arrow", "answers/candidates/val.arrow"),
}
OPEN = {"manifest.json", "best/adapter/adapter_config.json"}
ROWS = {"data/val.jsonl", "data/hidden.jsonl", "data/train.jsonl", "judge/verdicts.jsonl"}
ROWS |= {"judge/hidden_verdicts.jsonl"}  # none are no damage either


def _open_verdicts(path: Path) -> None:
    with open_verdicts(path.with_name("base.jsonl")):
        pass


def _is_valid(file: str, kind: str) -> bool:
    if kind == "empty":
        return file in APPENDED | ROWS or file.endswith(".db")
    if kind == "half":
        return file in APPENDED
    if kind == "failing disk":
        return file.endswith(".arrow")  # is mapped, not read: this one has no bytes
    return kind == "other keys" and file in OPEN


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A whole run, with the files that only some commands write."""
    config = make_run(tmp_path_factory.mktemp("run"))
    run = RunPaths.of(config)
    _, rules = load_prompt(config.prompt, Path())
    run.rules.write_text(rules.model_dump_json(by_alias=True))
    run.date.write_text("2026-11-28\n")
    for file in ("judge/calls.jsonl", "teacher/calls.jsonl", "answers/base.verdicts.jsonl"):
        (run.root / file).parent.mkdir(exist_ok=True)
        (run.root / file).write_text("")
    stamp = '{"inputs": "a", "work": "b", "outputs": "c", "seconds": 1}'
    for folder in ("stages", "answers/candidates", "student/search"):
        (run.root / folder).mkdir(parents=True, exist_ok=True)
    (run.root / "stages/data.json").write_text(stamp)
    check_fingerprint(run.root / "answers/base.fingerprint.json", {"a": 1}, False)
    for name in ("train", "val"):
        written(run.root / f"answers/candidates/{name}.arrow", 3)
    open_study(run.root / "student/search/study.db", SearchSettings())
    return config


def place(path: Path, kind: str, content: bytes) -> None:
    """Puts something else in the place of a file."""
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "link to nothing":
        path.symlink_to("/nowhere/file")
    elif kind == "unreadable" and os.geteuid():
        path.write_bytes(content)
        path.chmod(0)
    elif kind == "unreadable":  # root reads every file but one that the kernel lets nobody read
        path.symlink_to("/proc/sys/vm/drop_caches")
    elif kind == "failing disk":
        path.symlink_to("/proc/self/mem")  # its first page cannot be read: EIO
    else:
        path.write_bytes(content)


def state(path: Path) -> tuple[object, ...]:
    """What is at a path, without following links."""
    status = os.lstat(path)
    plain = path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
    return status.st_mode, status.st_ino, path.read_bytes() if plain else None


def ended(command: Callable[[], object]) -> int:
    """The exit code of a command."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as end:
            run_command(lambda: (command() and 0) or 0)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize("kind", [*GARBLED, *PLACES])
@pytest.mark.parametrize("file", READ_BY)
def test_a_garbled_file_is_one_line_and_stays(
    config: Config, file: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """29 files × 14 kinds of damage."""
    path = RunPaths.of(config).root / file
    whole = path.read_bytes()
    content = whole[: len(whole) // 2] if kind == "half" else GARBLED.get(kind, whole)
    try:
        place(path, kind, content)
        before = state(path)
        code = ended(lambda: READ_BY[file](config, path))
        error = capsys.readouterr().err
        if _is_valid(file, kind):
            assert (code, error) == (0, "")
            return
        assert (code, error.count("\n")) == (2, 1), error
        assert error.startswith("error: ") and "; " in error
        assert str(path.parent if "other settings" in error else path) in error
        assert state(path) == before, "nothing is overwritten"
    finally:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("manifest.json", '{"hardware": 5}'),
        ("manifest.json", '{"template_kwargs": "x"}'),
        ("best/adapter/adapter_config.json", '{"r": "x"}'),
        ("best/adapter/adapter_config.json", '{"base_model_name_or_path": [1]}'),
        ("timings.json", '{"data": "long"}'),
        ("best/choice.json", '{"best": ["lora"], "why": "", "ranked": []}'),
        ("judge/labels.json", '{"arms": {"base": null}}'),
        ("stages/data.json", '{"inputs": "a", "work": "b", "outputs": "c", "seconds": "x"}'),
    ],
)
def test_a_field_of_another_type_is_one_line(
    config: Config, file: str, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the keys are right and a value is not."""
    path = RunPaths.of(config).root / file
    whole = path.read_bytes()
    path.write_text(content)
    try:
        assert ended(lambda: READ_BY[file](config, path)) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {path}: ") and error.count("\n") == 1
        assert path.read_text() == content
    finally:
        path.write_bytes(whole)


def test_the_undamaged_run_is_read(config: Config) -> None:
    """The table above would pass if nothing could be read at all."""
    for file, command in READ_BY.items():
        command(config, RunPaths.of(config).root / file)


@pytest.mark.parametrize("file", READ_BY)
def test_random_damage_is_survived(
    config: Config, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """ROUNDS seeded mutations of each file: read, or refused in one line; never a traceback."""
    path, rng = RunPaths.of(config).root / file, random.Random(file)
    whole = path.read_bytes() or b'{"key": "a", "verdicts": []}\n'
    try:
        for _ in range(ROUNDS):
            path.write_bytes(content := mutated(whole, rng))
            code = ended(lambda: READ_BY[file](config, path))
            error = capsys.readouterr().err
            assert (code, error.count("\n")) in ((0, 0), (2, 1)), (content, error)
    finally:
        path.write_bytes(whole)
