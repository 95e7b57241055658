"""Datasets of chat messages: what is written is read back as the same rows and answers."""

from pathlib import Path

import pytest

from config.errors import DataError
from config.load import load_config
from config.schema import Config
from data.answers import Answer
from data.jsonl import read_records, write_records
from data.prepare import prepare_data
from data.readers.recognise import scan_source
from data.rows import PRODUCTION, Row
from data.run_paths import RunPaths
from prompts.chat_dataset import export_dataset
from prompts.prompt_file import read_prompt
from prompts.prompt_text import logged_prompt, prompt_text
from tests.data.readers.recognised import recognise_logs


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The demo with prepared data, with follow-ups so that some rows have a history."""
    overrides = [f"runs={tmp_path}/runs", "data.follow_ups=true"]
    config = load_config(Path("config/demo.yaml"), overrides)
    prepare_data(config.data, Path(), RunPaths.of(config).data, config.seed)
    return config


def _read_back(config: Config, folder: Path, split: str) -> list[Row]:
    rows: list[Row] = []
    settings = config.data.model_validate({"train": {"path": str(folder), "split": split}}).train
    prompt = prompt_text(read_prompt(config.prompt, Path()))
    scan_source(settings, Path(), rows.append, prompt)
    return rows


def test_logged_answers_come_back_with_passages_and_history(config: Config, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    counts = export_dataset(config, Path(), folder)

    run = RunPaths.of(config)
    train = [row for row in run.iter_rows("train") if PRODUCTION in row.answers]
    assert counts["train"] == len(train)
    # the last row of a conversation stands for it: earlier turns come back as rows of their own
    rows = [row for row in _read_back(config, folder, "train")]
    last = {(row.question, row.answers[PRODUCTION], len(row.history)) for row in rows}
    assert {(row.question, row.answers[PRODUCTION], len(row.history)) for row in train} <= last
    passages = {row.question: [part.text for part in row.contexts] for row in rows}
    assert all(
        passages[row.question] == [part.text for part in row.contexts]
        for row in train
        if not row.history
    )
    assert any(row.history for row in train)


def test_selected_answers_come_before_logged_ones(config: Config, tmp_path: Path) -> None:
    run = RunPaths.of(config)
    row = next(read_records(run.split("train"), Row))
    run.selected.parent.mkdir()
    write_records(run.selected, [Answer.from_text("teacher", row.id, "Chosen.")])
    write_records(run.selected_val, [])
    folder = tmp_path / "dataset"

    assert export_dataset(config, Path(), folder) == {"train": 1}
    form = recognise_logs(str(folder))
    assert form.line() == f"{folder}: OpenAI chat messages, 1 rows"
    assert export_dataset(config, Path(), folder) == {"train": 1}  # again, over the first one


def test_the_prompt_is_read_only_where_logs_are_recognised(config: Config) -> None:
    assert logged_prompt(config, Path()) is None
    recognised = config.data.model_validate({"train": "logs.jsonl"})
    prompt = logged_prompt(config.model_copy(update={"data": recognised}), Path())
    assert prompt is not None and len(prompt.examples) == len(
        read_prompt(config.prompt, Path()).examples
    )


def test_a_folder_of_something_else_is_left_alone(config: Config, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds something else; name a new folder"):
        export_dataset(config, Path(), tmp_path)
