"""What makes a stage run again, and what does not."""

from pathlib import Path

import pytest

from config.load import load_config
from config.schema import Config
from data.answers import top_logprobs_path
from data.atomic_write import write_text
from data.run_paths import RunPaths
from pipeline.stages import Stage, inputs_of, is_done, seconds_of, stages, stamp

ROOT = Path(__file__).resolve().parents[2]
JUDGED = ("judge score", "judge hidden")


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def demo(folder: Path, *changes: str) -> Config:
    """The demo in a folder of its own."""
    return load_config(ROOT / "config/demo.yaml", [f"runs={folder}", *changes])


def done(config: Config, commit: str = "c") -> list[str]:
    """The names of the stages that would be skipped."""
    every = stages(config, commit)
    run = RunPaths.of(config)
    return [one.name for one in every if is_done(run, one, inputs_of(one, config))]


def finished(config: Config) -> list[Stage]:
    """All stages as if they had run: every file that they write is there."""
    every = stages(config, "c")
    for one in every:
        for path in one.writes:
            write_text(path, one.name)
    for one in every:
        stamp(RunPaths.of(config), one, inputs_of(one, config), 1.0)
    return every


def test_nothing_has_run_and_then_everything_has(tmp_path: Path) -> None:
    """A stage without its stamp is never skipped; with unchanged inputs always."""
    assert done(demo(tmp_path)) == []
    every = finished(demo(tmp_path))
    assert done(demo(tmp_path)) == [one.name for one in every]


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
    every = {one.name for one in finished(demo(tmp_path))}
    assert every - set(done(demo(tmp_path, change))) == again


def test_a_touched_result_is_made_again_and_what_reads_it(tmp_path: Path) -> None:
    """Who edits selected.jsonl by hand gets it back, and a student that never saw the edit."""
    config = demo(tmp_path)
    every = {one.name for one in finished(config)}
    write_text(RunPaths.of(config).selected, "edited")
    assert every - set(done(config)) == {"teacher select", "student train"}


def test_lost_probabilities_are_asked_for_again(tmp_path: Path) -> None:
    """The teacher's stage left them and the student's reads them, of train and val."""
    config = demo(tmp_path)
    every = {one.name for one in finished(config)}
    for split in ("train", "val"):
        path = top_logprobs_path(RunPaths.of(config).answers(f"candidates/{split}"))
        whole = path.read_text("utf-8")
        path.unlink()
        assert every - set(done(config)) == {"teacher generate", "student train"}
        write_text(path, whole)


def test_a_run_that_finds_its_work_done_does_not_hide_what_it_cost(tmp_path: Path) -> None:
    """410 s, then 8 s after a change of source alone: 410. Other settings: what these took."""
    config = demo(tmp_path)
    run, every = RunPaths.of(config), finished(config)
    one = next(stage for stage in every if stage.name == "student train")
    for source, seconds, kept in (("a", 410.0, 410.0), ("b", 8.0, 410.0), ("c", 500.0, 500.0)):
        inputs = inputs_of(one, config)._replace(every=source)
        stamp(run, one, inputs, seconds)
        assert is_done(run, one, inputs)
        assert seconds_of(run, every)["student train"] == kept
    other = demo(tmp_path, "students.0.learning_rate=0.01")
    stamp(run, one, inputs_of(one, other), 8.0)
    assert seconds_of(run, every)["student train"] == 8.0


def test_another_commit_concerns_the_manifest_only(tmp_path: Path) -> None:
    """A commit that changes no source (a README) asks no model anything."""
    config = demo(tmp_path)
    every = {one.name for one in finished(config)}
    assert every - set(done(config, "other")) == {"manifest"}
