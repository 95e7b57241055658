"""Writes the answers of a run as a dataset of chat `messages`, for any trainer that reads one.

The turns are the unprompted view: what the student is shown, without the system prompt.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from config.errors import DataError
from config.schema import Config
from data.answers import Answer, read_answers
from data.rows import PRODUCTION, Row
from data.run_paths import RunPaths, Split
from data.stored_file import is_stored
from prompts.prompt_file import Prompt, read_prompt, row_turns

SPLITS: dict[str, Split] = {"train": "train", "validation": "val"}  # of the dataset → of the run


def export_dataset(config: Config, root: Path, folder: Path) -> dict[str, int]:
    """Writes a dataset that `datasets.load_from_disk` reads; returns its splits with their rows.

    The selected answers where the teacher's are selected, else the logged ones of `production`.
    Columns: id, messages, source (`selected` or `logged`). Raises DataError when the data have not
    been prepared, there is no answer, or `folder` holds something else.
    """
    import datasets  # heavy

    _check_folder(folder)
    run = RunPaths.of(config)
    run.check_prepared()
    prompt = read_prompt(config.prompt, root)
    with TemporaryDirectory() as cache:
        parts = {}
        for split in SPLITS:
            if next(_records(config, run, prompt, split), None) is not None:
                parts[split] = datasets.Dataset.from_generator(
                    partial(_records, config, run, prompt, split),
                    features=_features(),
                    cache_dir=cache,
                    fingerprint=f"chat-{split}",  # of this cache alone; nothing is hashed
                )
        if not parts:
            raise DataError(
                f"{run.root}: neither selected nor logged answers; run `unprompted teacher` first"
            )
        datasets.DatasetDict(parts).save_to_disk(str(folder))
        return {split: part.num_rows for split, part in parts.items()}


def _features() -> Any:
    import datasets

    text = datasets.Value("string")
    messages = [{"role": text, "content": text}]
    return datasets.Features({"id": text, "messages": messages, "source": text})


def _check_folder(folder: Path) -> None:
    is_dataset = (folder / "dataset_dict.json").exists()
    if folder.exists() and not is_dataset and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: holds something else; name a new folder")


def _records(config: Config, run: RunPaths, prompt: Prompt, split: str) -> Iterator[dict[str, Any]]:
    """The records of one split of the dataset."""
    selected = run.selected if split == "train" else run.selected_val
    is_selected = is_stored(run.selected)
    source = "selected" if is_selected else "logged"
    answers: dict[str, list[Answer]] = {}
    for answer in read_answers(selected) if is_selected else ():
        answers.setdefault(answer.row, []).append(answer)
    for row in run.training_rows(config) if split == "train" else run.iter_rows("val"):
        if is_selected:
            pairs = [(answer.shown(row), answer.text) for answer in answers.get(row.id, ())]
        else:
            pairs = [(row, row.answers[PRODUCTION])] if PRODUCTION in row.answers else []
        for shown, text in pairs:
            yield {"id": row.id, "messages": chat_messages(prompt, shown, text), "source": source}


def chat_messages(prompt: Prompt, row: Row, answer: str) -> list[dict[str, str]]:
    """The unprompted chat of a row with an answer: earlier turns, the user turn, the answer."""
    return [*row_turns(prompt, row), {"role": "assistant", "content": answer}]
