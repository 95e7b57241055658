"""Quarantined records: all are counted and written, few are in memory and in quality.json."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.errors import DataError
from config.log_formats import DataSettings
from data.data_quality import DataQuality
from data.jsonl import read_records
from data.prepare import prepare_data
from data.readers.quarantine import SHOWN_QUARANTINED, Quarantine, Quarantined

IMAGE = [{"type": "image_url", "image_url": {"url": "data:"}}]


def _records(unsupported: int, malformed: int) -> Iterator[str]:
    """20 rows, then records with images, then lines that are not JSON."""
    for number in range(20):
        turns = [("user", f"question {number}?"), ("assistant", "a")]
        messages = [{"role": role, "content": text} for role, text in turns]
        yield json.dumps({"messages": messages})
    for _ in range(unsupported):
        yield json.dumps({"messages": [{"role": "user", "content": IMAGE}]})
    for number in range(malformed):
        yield f"{{broken {number}"


def _write_logs(folder: Path, unsupported: int, malformed: int) -> None:
    text = "".join(f"{line}\n" for line in _records(unsupported, malformed))
    (folder / "l.jsonl").write_text(text)


def _prepare(folder: Path, allowed: float = 1) -> DataQuality:
    settings = DataSettings.model_validate({"train": "l.jsonl", "max_bad_fraction": allowed})
    return prepare_data(settings, folder, folder / "run/data", seed=0)


def test_counts_are_exact_examples_are_limited_and_every_record_is_listed(tmp_path: Path) -> None:
    _write_logs(tmp_path, 1000, 300)
    quality = _prepare(tmp_path)
    assert (quality.records, quality.quarantine_counts.total()) == (1320, 1300)
    assert quality.quarantine_counts["image_url parts, which a row cannot show"] == 1000
    assert [record.unsupported for record in quality.quarantined] == [True] * 100 + [False] * 100
    listed = list(read_records(tmp_path / "run/data/quarantine.jsonl", Quarantined))
    assert [record.line for record in listed] == list(range(21, 1321))
    assert tuple(listed[:100]) + tuple(listed[1000:1100]) == quality.quarantined
    stored = DataQuality.model_validate_json((tmp_path / "run/data/quality.json").read_text())
    assert stored == quality


def test_the_report_and_memory_do_not_grow_with_the_records(tmp_path: Path) -> None:
    """Ten times the records: quality.json differs by digits, and no record stays in memory."""
    sizes, peaks = list[int](), list[int]()
    for unsupported in (300, 3000):
        _write_logs(tmp_path, unsupported, 0)
        tracemalloc.start()
        _prepare(tmp_path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        sizes.append((tmp_path / "run/data/quality.json").stat().st_size)
    assert sizes[1] - sizes[0] < 20
    assert peaks[1] - peaks[0] < 500_000  # bytes; a record takes some 700


def test_malformed_records_beyond_the_examples_still_count_against_the_limit(
    tmp_path: Path,
) -> None:
    """Unsupported records fill no place of theirs: 300 of 320 are malformed."""
    _write_logs(tmp_path, 1000, 300)
    with pytest.raises(
        DataError, match=r"300 of 320 records are malformed, .*l\.jsonl:1021: .*; …"
    ):
        _prepare(tmp_path, 0.5)


def test_reasons_that_differ_from_record_to_record_do_not_fill_the_memory() -> None:
    quarantine = Quarantine()
    for number in range(3000):
        quarantine.add(Quarantined(file="f", line=1, reason=f"reason {number}", excerpt=""))
    assert len(quarantine.reasons) == 1001  # 1,000 by their text, and the others as one
    assert quarantine.reasons["other reasons"] == 2000
    assert len(quarantine.shown) == SHOWN_QUARANTINED
