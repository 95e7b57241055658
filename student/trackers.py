"""Experiment trackers: each receives the lines of metrics.jsonl, under the same names.

A resumed training opens a new tracker run and replays the file, so the newest run is always
complete. A tracker that fails later is left out with one line: the file has every number.
transformers' own tracker callbacks would continue the previous student's run.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from config.console import print
from config.errors import SetupError
from config.schema import Config
from config.tracker_check import check_trackers
from config.training import (
    MlflowSettings,
    ProjectSettings,
    StudentSettings,
    TensorboardSettings,
    TrackerSettings,
    TrackioSettings,
    WandbSettings,
)
from config.yaml_file import dump_yaml
from data.run_paths import RunPaths
from student.distributed import process_rank
from student.records import Step

StepListener = Callable[[Step], None]  # receives every line of metrics.jsonl, replayed ones too

_COLUMNS = ["row", "question", "answer"]


@contextmanager
def open_trackers(config: Config, student: StudentSettings) -> Iterator[list[StepListener]]:
    """The configured trackers, each with a run of this student; only process 0 has any.

    Raises SetupError where a tracker is not installed, has no key, or refuses to begin a run.
    """
    with ExitStack() as stack:
        listeners: list[StepListener] = []
        if process_rank() == 0:
            check_trackers(config)
            for tracker in config.report_to:
                listeners.append(_guarded(tracker.kind, _opened(stack, config, tracker, student)))
        yield listeners


def _opened(
    stack: ExitStack, config: Config, tracker: TrackerSettings, student: StudentSettings
) -> StepListener:
    match tracker:
        case WandbSettings():
            return _wandb(stack, config, tracker, student)
        case TrackioSettings():
            return _trackio(stack, config, tracker, student)
        case TensorboardSettings():
            return _tensorboard(stack, config, tracker, student)
        case MlflowSettings():
            return _mlflow(stack, config, tracker, student)
    raise AssertionError(tracker)


def _guarded(kind: str, listener: StepListener) -> StepListener:
    """The listener until it first fails: what a tracker cannot take ends no training."""
    failed = False

    def listen(step: Step) -> None:
        nonlocal failed
        if failed:
            return
        try:
            listener(step)
        except Exception as error:  # of any library
            failed = True
            line = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            print(f"report_to: {kind} gets no more lines, metrics.jsonl has all of them: {line}")

    return listen


def _wandb(
    stack: ExitStack, config: Config, tracker: WandbSettings, student: StudentSettings
) -> StepListener:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported
    import wandb

    try:
        run = wandb.init(
            **_run_settings(config, tracker, student),
            mode=tracker.mode,
            dir=str(RunPaths.of(config).root),
            reinit="create_new",
            settings=wandb.Settings(silent=True),
        )
    except wandb.errors.Error as error:
        raise SetupError(f"report_to: wandb begins no run: {error}; or set mode: offline") from None
    stack.enter_context(run)
    return lambda step: run.log(_values(step) | _table(step, tracker, wandb.Table), step=step.step)


def _trackio(
    stack: ExitStack, config: Config, tracker: TrackioSettings, student: StudentSettings
) -> StepListener:
    import trackio

    run = trackio.init(
        **_run_settings(config, tracker, student),
        embed=False,
        auto_log_gpu=False,  # its rows have no step
        auto_log_cpu=False,
    )
    stack.callback(run.finish)
    return lambda step: run.log(
        _values(step) | _table(step, tracker, trackio.Table), step=step.step
    )


def _tensorboard(
    stack: ExitStack, config: Config, tracker: TensorboardSettings, student: StudentSettings
) -> StepListener:
    """A run is a folder; that of an earlier attempt goes, since all of its lines come again."""
    from torch.utils.tensorboard import SummaryWriter

    folder = RunPaths.of(config).root / "tensorboard" / student.name
    shutil.rmtree(folder, ignore_errors=True)
    writer = SummaryWriter(str(folder))
    stack.callback(writer.close)
    settings = dump_yaml(_student_settings(config, student))
    writer.add_text("settings", _code(settings))

    def listen(step: Step) -> None:
        for name, value in _values(step).items():
            writer.add_scalar(name, value, step.step)
        if tracker.samples and step.samples:
            text = dump_yaml([sample.model_dump() for sample in step.samples])
            writer.add_text("samples", _code(text), step.step)

    return listen


def _code(text: str) -> str:
    """A Markdown code block: indented, so that no text can end it."""
    return "".join(f"    {line}\n" for line in text.splitlines())


def _mlflow(
    stack: ExitStack, config: Config, tracker: MlflowSettings, student: StudentSettings
) -> StepListener:
    # all read when mlflow is imported; an unreachable server is not asked for minutes
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
    from mlflow.exceptions import MlflowException

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # the making of its database is no news
    root = RunPaths.of(config).root.resolve()
    server = os.environ.get("MLFLOW_TRACKING_URI")
    files = None if server else (root / "mlflow").as_uri()
    try:
        client = MlflowClient(server or f"sqlite:///{root}/mlflow.db")
        known = client.get_experiment_by_name(tracker.project)
        experiment = (
            known.experiment_id
            if known
            else client.create_experiment(tracker.project, artifact_location=files)
        )
        name = f"{config.name}/{student.name}"
        info = client.create_run(experiment, run_name=name).info
        settings = _student_settings(config, student)
        parameters = [Param(key, str(value)) for key, value in settings.items()]
        client.log_batch(info.run_id, params=parameters)
    except MlflowException as error:
        raise SetupError(
            f"report_to: mlflow begins no run: {error}; check MLFLOW_TRACKING_URI"
        ) from None

    def end(kind: type[BaseException] | None, *_: object) -> None:
        with suppress(MlflowException):  # the server is gone: the run stays open there
            client.set_terminated(info.run_id, "FINISHED" if kind is None else "FAILED")

    def listen(step: Step) -> None:
        time_ms = info.start_time + round(1000 * step.seconds)
        values = _values(step).items()
        metrics = [Metric(name, value, time_ms, step.step) for name, value in values]
        client.log_batch(info.run_id, metrics=metrics)
        if tracker.samples and step.samples:
            texts = [sample.model_dump() for sample in step.samples]
            client.log_dict(info.run_id, {"samples": texts}, f"samples/step-{step.step}.json")

    stack.push(end)

    return listen


def _run_settings(
    config: Config, tracker: ProjectSettings, student: StudentSettings
) -> dict[str, Any]:
    return {
        "project": tracker.project,
        "name": f"{config.name}/{student.name}",
        "config": _student_settings(config, student),
    }


def _student_settings(config: Config, student: StudentSettings) -> dict[str, Any]:
    return {**student.model_dump(mode="json"), "model": config.model.name}


def _values(step: Step) -> dict[str, Any]:
    """The line as a flat dict, one name per number."""
    values = step.model_dump(exclude={"step", "rules", "passed", "samples"}, exclude_none=True)
    return values | {f"rule/{rule}": rate for rule, rate in (step.rules or {}).items()}


def _table(step: Step, tracker: TrackerSettings, table: Any) -> dict[str, Any]:
    """The samples as a tracker's own table, where they are wanted."""
    if not (tracker.samples and step.samples):
        return {}
    rows = [list(sample.model_dump().values()) for sample in step.samples]
    return {"samples": table(columns=_COLUMNS, data=rows)}
