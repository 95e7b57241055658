"""Seconds and peak memory of preparing one corpus, each in a process of its own."""

import importlib
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.preparing.log_corpora import LogCorpus, LogForm, Questions
from benchmarks.resident_memory import peak_resident_mb
from config.log_formats import DataSettings, Logs
from data.jsonl import read_records
from data.prepare import prepare_data
from data.records import Record
from data.rows import Row, question_key
from data.splits import RowKey, measure_leakage

_NEAR = 0.8  # the default of data.near_duplicate
_PERMUTATIONS = 128  # datasketch's default


class Preparation(Record):
    """What one corpus cost."""

    questions: Questions
    form: LogForm
    rows: int
    file_mb: float  # 10⁶ bytes
    seconds: float
    peak_mb: float  # resident, of the whole process
    near: int  # train questions with a near duplicate in val


class LeakageSearch(Record):
    """Searching the same train and val questions for near duplicates."""

    system: str
    rows: int
    seconds: float
    peak_mb: float
    near: int


def measure_preparation(
    questions: Questions, form: LogForm, rows: int, folder: Path
) -> Preparation:
    """Writes the corpus, then prepares it in a new process, which leaves its splits in `folder`."""
    path = folder / f"{questions}-{form}"
    path = path.with_suffix({"jsonl": ".jsonl", "parquet": ".parquet"}.get(form, ".json"))
    logs = LogCorpus(questions, rows).write(path, form)
    seconds, peak_mb, near = _in_process(_prepare, logs, folder / "data")
    size = path.stat().st_size / 1e6
    path.unlink()
    return Preparation(
        questions=questions,
        form=form,
        rows=rows,
        file_mb=size,
        seconds=seconds,
        peak_mb=peak_mb,
        near=near,
    )


def measure_search(system: str, data: Path) -> LeakageSearch:
    """Searches the splits in `data` in a new process: `ours` or `datasketch`."""
    search = _our_search if system == "ours" else _datasketch_search
    rows = sum(1 for _ in (data / "train.jsonl").open("rb"))
    seconds, peak_mb, near = _in_process(search, data)
    return LeakageSearch(system=system, rows=rows, seconds=seconds, peak_mb=peak_mb, near=near)


def _in_process(function: Callable[..., tuple[float, int]], *arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_with_peak, (function, *arguments))


def _with_peak(function: Callable[..., tuple[float, int]], *arguments: Any) -> Any:
    seconds, near = function(*arguments)
    return seconds, peak_resident_mb(), near


def _prepare(logs: Logs, out: Path) -> tuple[float, int]:
    settings = DataSettings(train=logs, val_fraction=0.1, near_duplicate=_NEAR)
    start = time.perf_counter()
    quality = prepare_data(settings, Path(), out, seed=0)
    return time.perf_counter() - start, len(quality.leakage["train-val"].near)


def _keys(data: Path) -> list[list[RowKey]]:
    return [
        [RowKey(row.id, question_key(row)) for row in read_records(data / f"{name}.jsonl", Row)]
        for name in ("train", "val")
    ]


def _our_search(data: Path) -> tuple[float, int]:
    train, val = _keys(data)
    start = time.perf_counter()
    leakage = measure_leakage(train, val, _NEAR)
    return time.perf_counter() - start, len(leakage.near)


def _datasketch_search(data: Path) -> tuple[float, int]:
    """MinHash over words, the way of its manual; trigrams would take it several times as long."""
    datasketch: Any = importlib.import_module("datasketch")  # the benchmark's only: not installed
    train, val = ({row.key for row in rows} for rows in _keys(data))
    start = time.perf_counter()
    index = datasketch.MinHashLSH(threshold=_NEAR, num_perm=_PERMUTATIONS)
    hashes = {
        key: _min_hash(datasketch.MinHash(num_perm=_PERMUTATIONS), key) for key in (*val, *train)
    }
    for key in val:
        index.insert(key, hashes[key])
    near = sum(bool(index.query(hashes[key])) for key in train - val)
    return time.perf_counter() - start, near


def _min_hash(empty: Any, key: str) -> Any:
    empty.update_batch([word.encode() for word in key.split()])
    return empty
