"""Which changes make a stage run again, and which do not."""

from pathlib import Path

import pytest

from config.checkout import ROOT
from config.load import load_config
from config.schema import Config
from data.answers import top_logprobs_path
from data.atomic_write import write_text
from data.run_paths import RunPaths
from pipeline.stage_stamp import is_up_to_date, stage_inputs, stage_seconds, write_stamp
from pipeline.stages import Stage, pipeline_stages

JUDGED = ("judge score", "judge hidden")


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def demo(folder: Path, *changes: str) -> Config:
    """The demo in a folder of its own."""
    return load_config(ROOT / "config/demo.yaml", [f"runs={folder}", *changes])


def skipped(config: Config, commit: str = "c") -> list[str]:
    """The names of the stages that would be skipped."""
    run = RunPaths.of(config)
    return [
        stage.name
        for stage in pipeline_stages(config, commit)
        if is_up_to_date(run, stage, stage_inputs(stage, config))
    ]


def finish(config: Config) -> list[Stage]:
    """All stages, stamped as if they had run: every output file exists."""
    stages = pipeline_stages(config, "c")
    for stage in stages:
        for path in stage.writes:
            write_text(path, stage.name)
    for stage in stages:
        write_stamp(RunPaths.of(config), stage, stage_inputs(stage, config), 1.0)
    return stages


def test_nothing_has_run_and_then_everything_has(tmp_path: Path) -> None:
    """A stage without its stamp is never skipped; with unchanged inputs always."""
    assert skipped(demo(tmp_path)) == []
    stages = finish(demo(tmp_path))
    assert skipped(demo(tmp_path)) == [stage.name for stage in stages]


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (
            "teacher.sampling.temperature=0.5",
            {"manifest", "teacher generate", "teacher select", "report"},
        ),
        ("judge.max_tokens=99", {"manifest", *JUDGED, "report"}),
        (
            "students.0.method.rank=8",
            {"manifest", "student train", "student predict", *JUDGED, "report"},
        ),
        ("data.val_fraction=0.3", {"manifest", "data", "student predict", "report"}),
    ],
)
def test_a_setting_reruns_the_stages_that_use_it(
    tmp_path: Path, change: str, again: set[str]
) -> None:
    """And no other: later stages follow once the files that they read have changed."""
    names = {stage.name for stage in finish(demo(tmp_path))}
    assert names - set(skipped(demo(tmp_path, change))) == again


def test_a_touched_result_is_made_again_and_what_reads_it(tmp_path: Path) -> None:
    """Who edits selected.jsonl by hand gets it back, and a student that never saw the edit."""
    config = demo(tmp_path)
    names = {stage.name for stage in finish(config)}
    write_text(RunPaths.of(config).selected, "edited")
    assert names - set(skipped(config)) == {"teacher select", "student train"}


def test_a_lost_summary_is_written_by_the_last_judge_stage(tmp_path: Path) -> None:
    """Every judge command writes it, so it may not be an output of an earlier stage."""
    config = demo(tmp_path)
    names = {stage.name for stage in finish(config)}
    RunPaths.of(config).summary.unlink()
    assert names - set(skipped(config)) == {"judge hidden", "report"}


def test_lost_probabilities_are_asked_for_again(tmp_path: Path) -> None:
    """The teacher's stage left them and the student's reads them, of train and val."""
    config = demo(tmp_path)
    names = {stage.name for stage in finish(config)}
    for split in ("train", "val"):
        path = top_logprobs_path(RunPaths.of(config).answers(f"candidates/{split}"))
        whole = path.read_text("utf-8")
        path.unlink()
        assert names - set(skipped(config)) == {"teacher generate", "student train"}
        write_text(path, whole)


def test_a_run_that_finds_its_work_done_does_not_hide_what_it_cost(tmp_path: Path) -> None:
    """410 s, then 8 s after a change of source alone: 410. Other settings: what these took."""
    config = demo(tmp_path)
    run, stages = RunPaths.of(config), finish(config)
    train = next(stage for stage in stages if stage.name == "student train")
    for source, seconds, longest in (("a", 410.0, 410.0), ("b", 8.0, 410.0), ("c", 500.0, 500.0)):
        inputs = stage_inputs(train, config)._replace(total=source)
        write_stamp(run, train, inputs, seconds)
        assert is_up_to_date(run, train, inputs)
        assert stage_seconds(run, stages)["student train"] == longest
    other = demo(tmp_path, "students.0.learning_rate=0.01")
    for path in train.writes:
        write_text(path, "of other settings")
    write_stamp(run, train, stage_inputs(train, other), 8.0)
    assert stage_seconds(run, stages)["student train"] == 8.0


def test_another_commit_concerns_the_manifest_only(tmp_path: Path) -> None:
    """A commit that changes no source (a README) asks no model anything."""
    config = demo(tmp_path)
    names = {stage.name for stage in finish(config)}
    assert names - set(skipped(config, "other")) == {"manifest"}
