"""From log files to the three splits: files, counts and errors."""

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from config.errors import DataError
from config.log_formats import CampusLogs, DataSettings, FieldMap, TableLogs
from data.data_quality import DataQuality
from data.jsonl import read_records
from data.prepare import prepare_data, prepare_splits
from data.rows import Row, question_key
from tests.data.hse_logs import HSE, SETTINGS, needs_hse

FIELDS = FieldMap(question="q", answers={"old": "a"})


def _logs(root: Path, name: str, questions: list[Any]) -> TableLogs:
    lines = [json.dumps({"q": text, "a": "Да."}, ensure_ascii=False) for text in questions]
    (root / f"{name}.jsonl").write_text("\n".join(lines))
    return TableLogs(path=f"{name}.jsonl", fields=FIELDS)


def _read(path: Path) -> list[Row]:
    return list(read_records(path, Row))


def test_three_files(tmp_path: Path) -> None:
    train = ["Где касса?", "Где деканат?", "где касса", "Когда сессия?", "Кто куратор?"]
    settings = DataSettings(
        train=_logs(tmp_path, "one", train),
        val=_logs(tmp_path, "two", ["Когда сессия?!", "Что ещё?", "что еще"]),
        hidden=_logs(tmp_path, "three", ["Кто куратор", "Что ещё?"]),
    )
    out = tmp_path / "out"

    quality = prepare_data(settings, tmp_path, out, seed=0)

    assert [row.id for row in _read(out / "train.jsonl")] == ["one-0001", "one-0002"]
    assert [row.id for row in _read(out / "val.jsonl")] == ["two-0001", "two-0002", "two-0003"]
    assert len(_read(out / "hidden.jsonl")) == 2
    assert DataQuality.model_validate_json((out / "quality.json").read_text()) == quality
    assert (out / "quarantine.jsonl").read_text() == ""
    assert quality.leaks_removed == ("one-0004", "one-0005")
    assert quality.duplicates_removed == ("one-0003",)
    assert [pair.other for pair in quality.leakage["train-val"].exact] == ["two-0001"]
    assert [pair.other for pair in quality.leakage["train-hidden"].exact] == ["three-0001"]
    assert [pair.train for pair in quality.leakage["val-hidden"].exact] == ["two-0002", "two-0003"]
    assert quality.splits["train"].rows == 2 and quality.splits["val"].questions == 2
    assert quality.splits["val"].cleaned.duplicates[0].row == "two-0003"  # listed and kept


def test_preparing_again_gives_the_same_bytes_and_leaves_no_old_hidden_set(tmp_path: Path) -> None:
    settings = DataSettings(
        train=_logs(tmp_path, "one", [f"Вопрос {at}?" for at in range(50)]),
        hidden=_logs(tmp_path, "two", ["Тайна?"]),
    )
    out = tmp_path / "out"
    prepare_data(settings, tmp_path, out, seed=3)
    names = ["train.jsonl", "val.jsonl", "quality.json"]
    before = [(out / name).read_bytes() for name in ("train.jsonl", "val.jsonl")]

    prepare_data(settings, tmp_path, out, seed=3)
    assert [(out / name).read_bytes() for name in names[:2]] == before
    assert len(_read(out / "val.jsonl")) == 10

    prepare_data(settings.model_copy(update={"hidden": None}), tmp_path, out, seed=3)
    assert not (out / "hidden.jsonl").exists()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    settings = DataSettings(train=_logs(tmp_path, "one", ["Где?", "Когда?"]))
    before = sorted(tmp_path.rglob("*"))
    splits = prepare_splits(settings, tmp_path, seed=0)
    assert (len(splits.train), len(splits.val), splits.hidden) == (1, 1, None)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("bad", [1, 2])
def test_too_many_malformed_rows_stop_the_run(tmp_path: Path, bad: int) -> None:
    questions: list[Any] = [f"Вопрос {at}?" for at in range(100)]
    questions[40 : 40 + bad] = [None] * bad
    settings = DataSettings(train=_logs(tmp_path, "one", questions))  # 1 in 100 is allowed
    if bad == 1:
        prepare_data(settings, tmp_path, tmp_path / "out", seed=0)
        quarantine = (tmp_path / "out" / "quarantine.jsonl").read_text()
        assert json.loads(quarantine)["line"] == 41
        return
    with pytest.raises(DataError) as error:
        prepare_data(settings, tmp_path, tmp_path / "out", seed=0)
    assert "2 of 100" in str(error.value)
    assert "one.jsonl:41: q: missing; one.jsonl:42: " in str(error.value)
    assert not (tmp_path / "out").exists()


def test_ids_are_unique_over_all_files(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    _logs(tmp_path / "val", "one", ["Что?"])
    val = TableLogs(path="val/one.jsonl", fields=FIELDS)
    settings = DataSettings(train=_logs(tmp_path, "one", ["Где?"]), val=val)
    with pytest.raises(DataError, match="1 ids belong to more than one row: one-0001"):
        prepare_splits(settings, tmp_path, seed=0)


def test_a_train_set_that_leaks_away_is_refused(tmp_path: Path) -> None:
    settings = DataSettings(
        train=_logs(tmp_path, "one", ["Где?"]), val=_logs(tmp_path, "two", ["где"])
    )
    with pytest.raises(DataError, match="train: no rows are left, 1 share"):
        prepare_splits(settings, tmp_path, seed=0)
    with pytest.raises(DataError, match="val: no rows are left"):
        prepare_splits(DataSettings(train=settings.train, val_fraction=0.0), tmp_path, seed=0)


@needs_hse
def test_the_real_task(tmp_path: Path) -> None:
    quality = prepare_data(SETTINGS, HSE, tmp_path, seed=0)

    train, val = _read(tmp_path / "train.jsonl"), _read(tmp_path / "val.jsonl")
    hidden = _read(tmp_path / "hidden.jsonl")
    keys = [{question_key(row) for row in rows} for rows in (train, val, hidden)]
    assert not keys[0] & (keys[1] | keys[2])
    assert len(hidden) == 20 and len(keys[1]) == round(0.2 * 89)
    removed = len(quality.leaks_removed) + len(quality.duplicates_removed)
    assert quality.follow_ups is not None
    assert len(train) - quality.follow_ups.rows + len(val) + removed == 103
    assert quality.records == 123 and not quality.quarantined
    stubs = [quality.splits[name].cleaned.stubs["production"] for name in ("train", "val")]
    assert sum(stubs) == 20
    assert quality.splits["hidden"].labels == {} and quality.splits["hidden"].unlabelled == 20


def test_paths_are_relative_to_the_root(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.json: no such file"):
        prepare_splits(DataSettings(train=CampusLogs(path="absent.json")), tmp_path, seed=0)


@pytest.mark.parametrize("size", [10, 5_000, 60_000])
def test_a_full_disk_while_rows_are_sorted_is_one_line(tmp_path: Path, size: int) -> None:
    """Of 100 rows of about 1 kB; the earlier splits stay."""
    settings = DataSettings(
        train=_logs(tmp_path, "one", [f"{at}" + "x" * 900 for at in range(100)])
    )
    out = tmp_path / "out"
    prepare_data(settings, tmp_path, out, seed=0)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(
            DataError, match=rf"{tmp_path}.*: cannot write \d+ bytes: File too large"
        ):
            prepare_data(settings, tmp_path, out, seed=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
