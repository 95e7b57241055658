"""Trackers beside wandb and trackio, what is refused before a run, and one that fails later."""

import os
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from config.errors import ConfigError, SetupError
from config.load import load_config
from config.schema import Config
from config.tracker_check import check_trackers
from data.run_paths import RunPaths
from student.preflight import preflight
from student.records import Step
from student.trackers import open_trackers
from tests.student.run_factory import ROOT, experiment
from tests.student.test_callbacks import (
    KEYS,
    assert_no_key,
    metrics,
    numbers,
    train_tracked,
)


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in KEYS:
        monkeypatch.setenv(name, "canary4711" * 4)


def with_trackers(folder: Path, report_to: object) -> Config:
    """A config that nothing is run of."""
    path = experiment(folder, folder / "no-model")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"report_to": report_to}))
    return load_config(path)


@pytest.mark.parametrize(
    ("report_to", "kinds"),
    [
        ("none", []),
        ("mlflow", ["mlflow"]),
        ({"kind": "wandb", "mode": "online"}, ["wandb"]),
        (["tensorboard", {"kind": "trackio", "project": "mine"}], ["tensorboard", "trackio"]),
    ],
)
def test_names_and_settings(tmp_path: Path, report_to: object, kinds: list[str]) -> None:
    """A name, settings with `kind`, or a list of both; as stored and read again."""
    config = with_trackers(tmp_path, report_to)
    assert [tracker.kind for tracker in config.report_to] == kinds
    assert Config.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("report_to", "words"),
    [
        ("wanbd", "name wandb, trackio, tensorboard, mlflow"),
        (["wandb", "neptune"], r"report_to.1 = 'neptune'.*name wandb"),
        (["wandb", {"kind": "wandb"}], "report_to: names wandb twice"),
        ({"kind": "tensorboard", "project": "x"}, "unknown setting .*project"),
    ],
)
def test_mistakes(tmp_path: Path, report_to: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        with_trackers(tmp_path, report_to)


@pytest.mark.parametrize("former", ["wandb", "trackio"])
def test_the_former_sections_name_the_new_one(tmp_path: Path, former: str) -> None:
    path = experiment(tmp_path, tmp_path / "no-model")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {former: {}}))
    with pytest.raises(ConfigError, match=rf"unknown setting '{former}'.*report_to: \[{former}\]"):
        load_config(path)


def test_a_missing_package_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the preflight, which precedes every request and step: there is no model to load here."""
    config = with_trackers(tmp_path, "tensorboard")
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "tensorboard", raising=False)
    sys.path_importer_cache.clear()
    with pytest.raises(SetupError, match="`pip install tensorboard`"):
        preflight(config)


def test_wandb_online_needs_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment, or where `wandb login` stores it."""
    config = with_trackers(tmp_path, {"kind": "wandb", "mode": "online"})
    check_trackers(config)
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(SetupError, match=r"WANDB_API_KEY.*wandb login.*mode: offline"):
        check_trackers(config)
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password x\n")
    check_trackers(config)
    check_trackers(with_trackers(tmp_path, "wandb"))  # offline


def test_a_tracker_that_fails_ends_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, and it is asked no more."""
    logged: list[int] = []

    def log(values: object, step: int) -> None:
        logged.append(step)
        raise OSError("no space left")

    fake = types.ModuleType("trackio")
    run = types.SimpleNamespace(log=log, finish=lambda: None)
    begin: Callable[..., object] = lambda **_: run  # noqa: E731
    fake.__dict__.update(init=begin, Table=object, __spec__=types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "trackio", fake)
    config = with_trackers(tmp_path, "trackio")
    with open_trackers(config, config.students[0]) as (listener,):
        for at in (1, 2):
            listener(Step(step=at, epoch=1, seconds=1, loss=1.0))
    assert logged == [1]
    out = capsys.readouterr().out
    assert out.count("report_to: trackio gets no more lines") == 1 and "no space left" in out


@pytest.mark.slow
def test_tensorboard_says_what_the_file_says(tmp_path: Path) -> None:
    """Per student, every number as a float32, once; no text, no key."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = train_tracked(tmp_path, report_to=["tensorboard"])
    for student in ("s", "other"):
        events = EventAccumulator(str(RunPaths.of(config).root / "tensorboard" / student))
        events.Reload()
        written = {
            (event.step, name): event.value
            for name in events.Tags()["scalars"]
            for event in events.Scalars(name)
        }
        assert written == pytest.approx(numbers(metrics(config, student)), rel=1e-6)
        assert "samples/text_summary" not in events.Tags()["tensors"]
    assert_no_key(tmp_path)


@pytest.mark.slow
def test_mlflow_says_what_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Per student, every number, in a database in the run's folder; samples where wanted."""
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = train_tracked(tmp_path, report_to={"kind": "mlflow", "samples": True})
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{RunPaths.of(config).root.resolve()}/mlflow.db")
    experiment_id = client.get_experiment_by_name("unprompted").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment_id])}
    assert runs.keys() == {"t/s", "t/other"}
    for student in ("s", "other"):
        run = runs[f"t/{student}"]
        assert run.info.status == "FINISHED" and run.data.params["epochs"] == "2"
        written = {
            (metric.step, name): metric.value
            for name in run.data.metrics
            for metric in client.get_metric_history(run.info.run_id, name)
        }
        assert written == numbers(metrics(config, student))
        assert len(client.list_artifacts(run.info.run_id, "samples")) >= 1
    assert_no_key(tmp_path)


def test_an_mlflow_server_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line before the training begins; the discard port, where nobody listens."""
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    config = with_trackers(tmp_path, "mlflow")
    with (
        pytest.raises(SetupError, match=r"mlflow begins no run: .*MLFLOW_TRACKING_URI") as raised,
        open_trackers(config, config.students[0]),
    ):
        pass
    assert "secret" not in str(raised.value)
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
