"""The layout of a run's folder, through which the commands exchange files, and its rows."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Literal

from config.errors import DataError
from config.schema import Config
from data.jsonl import read_records, read_stored_record
from data.records import Record
from data.rows import Row
from data.stored_file import is_stored

Split = Literal["train", "val", "hidden"]


class _BestStudent(Record, extra="ignore"):
    """The field of choice.json that other rooms read."""

    best: str


class _TrainedStudent(Record, extra="ignore"):
    """The field of a student's result.json that other rooms read."""

    adapter_sha256: str


class RunPaths:
    """The paths of one run. The writer of a file defines its content."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config.yaml"
        self.manifest = root / "manifest.json"
        self.preflight = root / "preflight"  # a file per base and settings that passed
        self.timings = root / "timings.json"  # stage → seconds, of all stages before the report
        self.data = root / "data"
        self.date = self.data / "date.txt"  # that chat templates write
        self.quality = self.data / "quality.json"
        self.probes = self.data / "probes.jsonl"
        self.probe_counts = self.data / "probes.json"
        self.selected = root / "teacher" / "selected.jsonl"
        self.selected_val = root / "teacher" / "selected_val.jsonl"
        self.audit = root / "teacher" / "audit.json"
        self.teacher_calls = root / "teacher" / "calls.jsonl"  # judge calls about candidates
        self.search = root / "student" / "search.json"
        self.verdicts = root / "judge" / "verdicts.jsonl"
        self.judge_calls = root / "judge" / "calls.jsonl"
        self.rules = root / "judge" / "rules.json"  # the rules that the verdicts refer to
        self.scores = root / "judge" / "scores.json"
        self.calibration = root / "judge" / "calibration.json"
        self.hidden_verdicts = root / "judge" / "hidden_verdicts.jsonl"
        self.hidden_scores = root / "judge" / "hidden.json"
        self.gate = root / "judge" / "gate.xml"
        self.summary = root / "judge" / "summary.json"
        self.labels = root / "judge" / "labels.json"
        self.best = root / "best"
        self.choice = self.best / "choice.json"
        self.chat_template = self.best / "chat_template.jinja"  # to serve the best student with

    @classmethod
    def of(cls, config: Config) -> "RunPaths":
        """The paths of an experiment."""
        return cls(Path(config.runs) / config.name)

    def split(self, name: Split) -> Path:
        """The canonical rows of one split."""
        return self.data / f"{name}.jsonl"

    def rows(self, name: Split) -> list[Row]:
        """The rows of one split; none if no hidden set is configured.

        Raises DataError when the data have not been prepared.
        """
        return list(self.iter_rows(name))

    def iter_rows(self, name: Split) -> Iterator[Row]:
        """As `rows`, without holding them in memory."""
        path = self.split(name)
        self.check_prepared()
        return read_records(path, Row) if is_stored(path) else iter(())

    def check_prepared(self) -> None:
        """Raises DataError when the data have not been prepared."""
        path = self.split("train")
        if not is_stored(path):
            raise DataError(f"{path}: not there; run `unprompted run CONFIG` first")

    def check_selected(self) -> None:
        """Raises DataError when the data have not been prepared or no answers selected yet."""
        self.check_prepared()
        for path in (self.selected, self.selected_val):
            if not is_stored(path):
                raise DataError(f"{path}: not there; run `unprompted teacher CONFIG select` first")

    def training_rows(self, config: Config) -> Iterator[Row]:
        """The rows that the student learns from: train, and the probes if configured.

        Raises DataError when the data or the probes have not been prepared.
        """
        rows = self.iter_rows("train")
        if config.probes is None:
            return rows
        if not is_stored(self.probes):
            raise DataError(f"{self.probes}: not there; run `unprompted teacher CONFIG probes`")
        return chain(rows, read_records(self.probes, Row))

    def answers(self, arm: str) -> Path:
        """The answers of one arm: `base`, `teacher`, `student/<name>`, `candidates/train`, …

        `scored/<arm>`: the best logged answers of val, with their logprobs under the arm.
        """
        return self.root / "answers" / f"{arm}.jsonl"

    def best_student(self) -> str:
        """The name of the best student. Raises DataError when none has been chosen."""
        choice = read_stored_record(self.choice, _BestStudent)
        if choice is None:
            raise DataError(
                f"{self.choice}: not there; run `unprompted student CONFIG predict` first"
            )
        return choice.best

    def student(self, name: str) -> Path:
        """The folder of one student."""
        return self.root / "student" / name

    def adapter_sha256(self, name: str) -> str | None:
        """The hash of a student's trained adapter; None while it is not trained."""
        result = read_stored_record(self.student(name) / "result.json", _TrainedStudent)
        return None if result is None else result.adapter_sha256

    def annotation_sheet(self, name: str) -> Path:
        """A sheet for annotators; its name does not reveal the arm."""
        return self.root / "judge" / "annotation" / f"{name}.csv"

    def report(self, suffix: str) -> Path:
        """The report as html, md or json."""
        return self.root / f"report.{suffix}"
