"""The pipeline knows every file that a stage opens: a change of any makes the stage run again."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.schema import Config
from data.atomic_write import write_text
from data.run_paths import RunPaths
from judge.calibration.calibrate import calibrate
from judge.run import judge_run
from judge.summary.summarise import write_summary
from pipeline.stage_stamp import is_up_to_date, stage_inputs, write_stamp
from pipeline.stages import Stage, pipeline_stages
from report.__main__ import write_report
from tests.report.run_fixture import make_run

_recorders: list[list[Path]] = []


def _record(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _recorders and isinstance(arguments[0], str | bytes | Path):
        mode = arguments[1]
        if not (isinstance(mode, str) and set("wax") & set(mode)):
            _recorders[-1].append(Path(str(arguments[0])))


sys.addaudithook(_record)  # cannot be removed; it records only within `opened_files`


@contextmanager
def opened_files() -> Iterator[list[Path]]:
    """The files that are opened for reading meanwhile."""
    _recorders.append([])
    try:
        yield _recorders[-1]
    finally:
        _recorders.pop()


def stage_named(config: Config, name: str) -> Stage:
    return next(stage for stage in pipeline_stages(config, "c") if stage.name == name)


STAGES: dict[str, Callable[[Config], object]] = {
    "report": write_report,
    "judge calibrate": lambda config: calibrate(config, None),
    "judge score": lambda config: (judge_run(config, None), write_summary(config)),
    "judge hidden": lambda config: (judge_run(config, None, "hidden"), write_summary(config)),
}
# What a command of the judge sums up beside its own results is read again by the last one of them.
SUMMED_UP = (
    *("judge/verdicts.jsonl", "judge/scores.json", "judge/hidden"),
    *("data/val.jsonl", "data/hidden.jsonl", "answers/"),
)


@pytest.mark.parametrize("name", STAGES)
def test_every_file_that_is_opened_is_declared(tmp_path: Path, name: str) -> None:
    """Files of the run and of the prompt."""
    config = make_run(tmp_path)
    data = config.data.model_copy(update={"hidden": config.data.train})
    config = config.model_copy(update={"data": data})
    with opened_files() as opened:
        STAGES[name](config)
    stage, root = stage_named(config, name), RunPaths.of(config).root
    summed_up = tuple(f"{root}/{place}" for place in SUMMED_UP if name.startswith("judge"))
    declared = {*stage.reads, *stage.writes}
    undeclared = {
        str(path.relative_to(tmp_path))
        for path in opened
        if path.is_relative_to(tmp_path) and path.suffix != ".tmp"
        if not any(path == known or known in path.parents for known in declared)
        if not str(path).startswith(summed_up or ("none",))
    }
    assert len(opened) > 4
    assert undeclared == set()


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The settings of a run with a report; every test stamps it as it finds it."""
    config = make_run(tmp_path_factory.mktemp("reported"))
    write_report(config)
    return config


@pytest.mark.parametrize(
    "file",
    [
        *("manifest.json", "timings.json", "../../rules.yaml", "../../prompt.yaml"),
        *("answers/student/lora+prompt.jsonl", "student/search.json", "student/other/result.json"),
        *("judge/calibration.json", "judge/summary.json", "judge/scores.json", "data/quality.json"),
        *("teacher/audit.json", "best/choice.json", "best/adapter/adapter_config.json"),
        "best/chat_template.jinja",
    ],
)
def test_a_report_is_written_anew_after_a_change(reported: Config, file: str) -> None:
    config = reported
    run, report = RunPaths.of(config), stage_named(config, "report")
    write_stamp(run, report, stage_inputs(report, config), 1.0)
    assert is_up_to_date(run, report, stage_inputs(report, config))
    path = run.root / file
    write_text(path, path.read_text("utf-8") + "\n")
    assert not is_up_to_date(run, report, stage_inputs(report, config))
