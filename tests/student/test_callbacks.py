"""Trackers log the numbers of metrics.jsonl, and no private text unless configured."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.load import load_config
from config.progress import PROGRESS_FILE, latest_event
from config.schema import Config
from data.jsonl import read_records
from data.run_paths import RunPaths
from student.records import Step
from student.train import train
from tests.student.run_factory import ROOT, experiment, small_vocabulary_model

BLOCK, HEAD = 32768, 7  # bytes of LevelDB's log format, in which wandb writes
KEYS = ("WANDB_API_KEY", "OPENAI_API_KEY", "HF_TOKEN")
CANARY = "canary4711" * 4  # as long as a key of wandb's


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in KEYS:
        monkeypatch.setenv(name, CANARY)


def tracked_config(folder: Path, **trackers: Any) -> Path:
    """A config of two students with trackers."""
    path = experiment(folder, small_vocabulary_model(folder / "model"))
    values = yaml.safe_load(path.read_text("utf-8")) | trackers
    values["students"][0]["epochs"] = 2
    values["students"] = [values["students"][0] | {"name": name} for name in ("s", "other")]
    path.write_text(yaml.safe_dump(values), "utf-8")
    return path


def train_tracked(folder: Path, **trackers: Any) -> Config:
    """Trains both students."""
    config = load_config(tracked_config(folder, **trackers))
    for student in config.students:
        train(config, student, accept_changes=False)
    return config


def metrics(config: Config, student: str) -> list[Step]:
    """metrics.jsonl."""
    return list(read_records(RunPaths.of(config).student(student) / "metrics.jsonl", Step))


def assert_no_key(folder: Path) -> None:
    """No file that a training leaves holds a key of its environment."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


def numbers(steps: list[Step]) -> dict[tuple[int, str], float]:
    """(step, name) → number, of every measurement."""
    written: dict[tuple[int, str], float] = {}
    for step in steps:
        values = step.model_dump(exclude={"step", "rules", "passed", "samples"}, exclude_none=True)
        values |= {f"rule/{rule}": rate for rule, rate in (step.rules or {}).items()}
        written |= {(step.step, key): value for key, value in values.items()}
    return written


def wandb_records(path: Path) -> Iterator[Any]:
    """The records of an offline run. wandb 0.31 has no reader in Python."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, whole = path.read_bytes(), HEAD, b""
    while place < len(data):
        left = BLOCK - place % BLOCK
        if left < HEAD:
            place += left
            continue
        size, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        if place + HEAD + size > len(data):
            return  # still being written
        whole += data[place + HEAD : place + HEAD + size]
        place += HEAD + size
        if kind in (1, 4):  # full, or the last part
            record = Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def finished_runs(config: Config, student: str) -> list[tuple[list[Any], Path]]:
    """The records and folder of each offline run of a student that has ended."""
    runs = []
    for file in RunPaths.of(config).root.glob("wandb/offline-run-*/*.wandb"):
        records = list(wandb_records(file))
        names = [record.run.display_name for record in records if record.HasField("run")]
        ended = any(record.HasField("exit") for record in records)
        if ended and names[:1] == [f"{config.name}/{student}"]:
            runs.append((records, file.parent))
    return runs


def wandb_run(config: Config, student: str) -> tuple[dict[tuple[int, str], Any], Path]:
    """(step, name) → value of the one run of a student, and its folder.

    Waits for its end: wandb's own process may write the file after `finish` has returned.
    """
    deadline = time.monotonic() + 60
    while not (runs := finished_runs(config, student)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(runs) == 1, "one run per student"
    records, folder = runs[0]
    logged: dict[tuple[int, str], Any] = {}
    for record in records:
        values = {
            "/".join(item.nested_key) or item.key: json.loads(item.value_json)
            for item in record.history.item
        }
        logged |= {(values["_step"], key): value for key, value in values.items() if key[0] != "_"}
    return logged, folder


@pytest.mark.slow
def test_wandb_says_what_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline, per student, every number to the last digit; no question, no answer, no key; a bar
    with name, time left and loss. Its server is not asked: nobody listens at the discard port."""
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    progress = tmp_path / "progress.jsonl"
    monkeypatch.setenv(PROGRESS_FILE, str(progress))
    config = train_tracked(tmp_path, report_to=["wandb"])
    for student in ("s", "other"):
        steps = metrics(config, student)
        written, folder = wandb_run(config, student)
        assert written == numbers(steps)
        names = {name for _, name in written}
        assert {"loss", "learning_rate", "grad_norm", "val_loss", "strict"} <= names
        assert {"tokens_per_s", "answer_tokens_per_s", "rule/opening"} <= names
        assert all(step.samples is None for step in steps)
        assert not list(folder.glob("files/media/**/*.json"))
    assert_no_key(tmp_path)
    event = latest_event(progress)
    assert event is not None
    bar = event.meter(0)
    assert bar.startswith("t/other: 100% 12/12 [") and "<" in bar and "loss=" in bar


@pytest.mark.slow
def test_samples_only_where_asked(tmp_path: Path) -> None:
    """Both val rows with their answers at each look, in the file and in wandb's table."""
    config = train_tracked(tmp_path, report_to={"kind": "wandb", "samples": True})
    looks = [step.samples for step in metrics(config, "s") if step.val_rows is not None]
    assert len(looks) == 2 and all(looks)
    assert looks[0] is not None and [one.row for one in looks[0]] == ["r0", "r1"]
    assert looks[0][1].question == "word word "
    _, folder = wandb_run(config, "s")
    tables = [json.loads(path.read_text()) for path in folder.glob("files/media/**/*.json")]
    expected = [[list(one.model_dump().values()) for one in look or ()] for look in looks]
    assert sorted(table["data"] for table in tables) == sorted(expected)


@pytest.mark.slow
def test_trackio_says_what_the_file_says(tmp_path: Path) -> None:
    """Likewise; in a process of its own, since trackio reads where to write when it is imported."""
    pytest.importorskip("trackio")
    path = tracked_config(tmp_path, report_to="trackio")
    script = (
        "import json, sys\n"
        "sys.argv = ['student', sys.argv[1], 'train']\n"
        "from student.__main__ import main\n"
        "main()\n"
        "from trackio.sqlite_storage import SQLiteStorage\n"
        "rows = [SQLiteStorage.get_logs('unprompted', f't/{name}') for name in ('s', 'other')]\n"
        "print('rows:' + json.dumps(rows))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=ROOT,
        env={**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stored = json.loads(done.stdout.split("rows:")[1].splitlines()[0])
    for student, rows in zip(("s", "other"), stored, strict=True):
        written = {
            (row["step"], key): value
            for row in rows
            for key, value in row.items()
            if key not in ("step", "timestamp")
        }
        assert written == numbers(metrics(load_config(path), student))
    assert_no_key(tmp_path)
