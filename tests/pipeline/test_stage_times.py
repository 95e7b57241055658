"""What a stage's result cost: a run that finds work of earlier runs adds what those took."""

import json
from pathlib import Path

from data.jsonl import read_record
from data.run_paths import RunPaths
from data.stage_times import StageTimes
from pipeline.stage_stamp import StageInputs, stage_times, write_stamp
from pipeline.stages import Stage


class Work:
    """A stage with an answer file that grows and a summary that is written anew."""

    def __init__(self, folder: Path) -> None:
        self.run = RunPaths(folder)
        self.answers, self.summary = folder / "answers.jsonl", folder / "summary.json"
        writes = (self.answers, self.summary, folder / "never.json")
        self.stage = Stage("teacher generate", ("teacher",), (), (), writes)

    def done(self, inputs: str, seconds: float, answers: str, summary: str = "") -> None:
        """A run of the stage on these inputs leaves these files."""
        self.answers.write_text(answers)
        self.summary.write_text(summary or inputs)
        write_stamp(self.run, self.stage, StageInputs(inputs, inputs), seconds)

    def times(self) -> tuple[float, bool]:
        """Seconds of the result, and whether it is marked."""
        times = stage_times(self.run, [self.stage])
        return times.seconds["teacher generate"], bool(times.reused)


def test_a_rerun_on_the_same_work_costs_what_the_first_run_took(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.done("a", 250.0, "1\n2\n")
    assert work.times() == (250.0, False)
    work.done("a", 3.0, "1\n2\n")
    assert work.times() == (250.0, True)


def test_changed_settings_that_find_the_same_answers(tmp_path: Path) -> None:
    """All files are as before: 250 s. A summary of 1 byte beside answers of 99 differs: 99 % of
    250 s, and the 3 s of this run."""
    work, answers = Work(tmp_path), "1" * 99
    work.done("a", 250.0, answers, "x")
    work.done("b", 3.0, answers, "x")
    assert work.times() == (250.0, True)
    work.done("c", 3.0, answers, "y")
    assert work.times() == (250.5, True)


def test_one_of_two_students_trained_anew_does_not_add_up(tmp_path: Path) -> None:
    """Each of the two files takes 100 s. However often one of them is made anew, both together
    cost 200 s: half of the last cost, and 100 s."""
    work = Work(tmp_path)
    work.done("a", 200.0, "kept", "new0")
    for number in range(1, 6):
        work.done(f"a{number}", 100.0, "kept", f"new{number}")
        assert work.times() == (200.0, True)


def test_answers_that_are_added_cost_their_own_time(tmp_path: Path) -> None:
    """Ten further rows take 40 s beside the 250 s of those before them."""
    work = Work(tmp_path)
    work.done("a", 250.0, "1\n2\n", "x")
    work.done("b", 40.0, "1\n2\n3\n", "x")
    assert work.times() == (290.0, True)


def test_answers_that_are_all_new_are_not_marked(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.done("a", 250.0, "1\n2\n")
    work.done("b", 200.0, "3\n4\n")
    assert work.times() == (200.0, False)


def test_files_of_before_this_record_are_read(tmp_path: Path) -> None:
    """A stamp without files and a flat timings.json."""
    work = Work(tmp_path)
    stamp = {"inputs": "a", "work": "a", "outputs": "x", "seconds": 250.0}
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "teacher_generate.json").write_text(json.dumps(stamp))
    assert work.times() == (250.0, False)
    work.run.timings.write_text('{"data": 1.5}')
    assert read_record(work.run.timings, StageTimes) == StageTimes(seconds={"data": 1.5})
