"""Training rows that do not fit the model's length with their answer: refused, never cut."""

import re
from pathlib import Path

import pytest

from config.errors import DataError
from config.load import load_config
from config.schema import Config
from data.answers import Answer
from data.jsonl import write_records
from data.prepare import prepare_data
from data.rows import Row
from data.run_paths import RunPaths, Split
from engine.request_builder import RequestBuilder
from student.dataset import TrainingData, load_training_data
from tests.data.hse_logs import HSE, needs_hse
from tests.student.run_factory import ROOT

WORD = " word"  # one token


def load(config: Config) -> TrainingData:
    return load_training_data(config, config.students[0], RequestBuilder(config))


def made_up(folder: Path, too_long: int) -> Config:
    """200 selected answers, of which so many have 1,000 tokens; the model's length is 1,024."""
    settings = [f"runs={folder}", "model.max_length=1024", "predict.sampling.max_tokens=8"]
    config = load_config(
        ROOT / "config/demo.yaml", [*settings, "teacher.sampling.max_tokens=8", "probes=null"]
    )
    run = RunPaths.of(config)
    rows = [Row(id=f"r{n}", question="word " * 100, labels=()) for n in range(200)]
    texts = ["Yes." if n >= too_long else WORD * 1000 for n in range(200)]
    answers = [
        Answer.from_text("candidates/train", row.id, text)
        for row, text in zip(rows, texts, strict=True)
    ]
    write_records(run.split("train"), rows)
    write_records(run.split("val"), rows[-1:])
    write_records(run.selected, answers)
    write_records(run.selected_val, answers[-1:])
    return config


@pytest.mark.reliability(line=11)
def test_half_a_percent_is_left_out_and_more_is_refused(tmp_path: Path) -> None:
    """1 of 200 is 0.5 %; 2 of 200 end with the histogram and the length that would hold them."""
    assert len(load(made_up(tmp_path / "one", 1)).train) == 199
    with pytest.raises(DataError) as refused:
        load(made_up(tmp_path / "two", 2))
    line = str(refused.value)
    assert "2 of 200 rows with their answer are longer than model.max_length = 1024" in line
    assert "(198 up to 256, 2 up to 2048, the longest " in line and "\n" not in line
    longest = int(line.rsplit("set it to at least ", 1)[1])
    assert 1100 < longest < 1200 and f"longest {longest})" in line and refused.value.exit_code == 2


@needs_hse
@pytest.mark.reliability(line=11)
@pytest.mark.parametrize(
    ("objective", "count"), [("{kind: ce}", 2), ("{kind: kl, teacher: adapter_off}", 56)]
)
def test_real_logs_at_1024_are_refused(tmp_path: Path, objective: str, count: int) -> None:
    """Exit code 2. Of 56 rows 2 are longer alone, and all behind the prompt that kl reads.

    Alone they load with the length that the line names. Behind the prompt a greater length lets
    more passages in.
    """
    path = tmp_path / "hse.yaml"
    text = (ROOT / "config/hse.yaml").read_text("utf-8")
    text = text.replace("../shared/hse", str(HSE)).replace("prompts/hse", f"{ROOT}/prompts/hse")
    path.write_text(text, "utf-8")
    settings = [f"runs={tmp_path}", f"students.0.objective={objective}"]
    config = load_config(path, [*settings, "model.max_length=1024"])
    run = RunPaths.of(config)
    prepare_data(config.data, Path(), run.data, config.seed)
    splits: tuple[tuple[Split, Path], ...] = (("train", run.selected), ("val", run.selected_val))
    for split, out in splits:
        rows = run.rows(split)
        answers = [Answer.from_text(split, row.id, text) for row in rows for text in logged(row)]
        write_records(out, answers)
    with pytest.raises(DataError) as refused:
        load(config)
    line = str(refused.value)
    assert refused.value.exit_code == 2 and line.startswith(f"{count} of 56 rows")
    assert re.search(
        r"model\.max_length = 1024 tokens \((\d+ up to \d+, )+the longest \d+\); ", line
    )
    needed = line.rsplit("set it to at least ", 1)[1]
    assert 1024 < int(needed) < 8192
    if count == 2:
        wide = load_config(path, [*settings, f"model.max_length={needed}"])
        assert len(load(wide).train) == 56


def logged(row: Row) -> list[str]:
    """The first logged answer of a row."""
    return list(row.answers.values())[:1]
