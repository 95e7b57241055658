"""Changed logs in every accepted form: each record is a row or is quarantined, none is lost."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.checkout import ROOT
from config.load import load_config
from config.log_formats import CampusLogs, DataSettings, FieldMap, MappedLogs, TableLogs
from data.prepare import PreparedSplits, prepare_splits
from data.readers.logs import LogFile, read_logs
from data.rows import Row
from tests.fuzz.changes import ODD_TEXTS, changed_bytes, changed_tree
from tests.fuzz.endings import attempt, fuzzed

Values = dict[str, Any]

NORDA = load_config(ROOT / "config/norda.yaml").data.train
assert isinstance(NORDA, TableLogs)
FIELDS = NORDA.fields
MESSAGES = [json.loads(line) for line in (ROOT / NORDA.path).read_text("utf-8").splitlines()[:8]]
CAMPUS = json.loads((ROOT / "data/lakeside/train.json").read_text("utf-8"))[:8]


def to_jsonl(records: list[Any]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode(
        "utf-8", "surrogatepass"
    )


def to_json(records: list[Any]) -> bytes:
    return json.dumps(records, indent=1).encode()


def to_csv(records: list[Any], delimiter: str = ",") -> bytes:
    """Cells that are no text are JSON."""
    columns = sorted({str(key) for record in records for key in record})
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter)
    writer.writerow(columns)
    for record in records:
        values = [record.get(column) for column in columns]
        cells = [value if isinstance(value, str) else json.dumps(value) for value in values]
        writer.writerow(cells)
    return buffer.getvalue().encode("utf-8", "surrogatepass")


def to_parquet(records: list[Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), buffer)
    return buffer.getvalue()


class Form(NamedTuple):
    """A form of logs that is accepted."""

    suffix: str
    write: Callable[[list[Any]], bytes]

    def settings(self, stem: str) -> MappedLogs:
        if self.suffix == ".json" and stem == "campus":
            return CampusLogs(path="campus.json")
        return TableLogs(path=f"{stem}{self.suffix}", fields=FIELDS)


FORMS = {
    "jsonl": Form(".jsonl", to_jsonl),
    "json": Form(".json", to_json),
    "csv": Form(".csv", to_csv),
    "tsv": Form(".tsv", lambda records: to_csv(records, "\t")),
    "sep": Form(".csv", lambda records: b"sep=;\r\n" + to_csv(records, ";")),
    "pipes": Form(".csv", lambda records: to_csv(records, "|")),
    "utf-16": Form(
        ".csv", lambda records: to_csv(records).decode("utf-8", "replace").encode("utf-16")
    ),
    "gzip": Form(".jsonl.gz", lambda records: gzip.compress(to_jsonl(records), mtime=0)),
    "parquet": Form(".parquet", to_parquet),
}
FORM = st.sampled_from(sorted(FORMS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


def read(folder: Path, logs: MappedLogs) -> LogFile | None:
    """The file's rows, where it is used; whatever is not a row says on which line it is and why."""
    file = attempt("logs", lambda: read_logs(logs, folder), f"{folder}/", "fields.")
    for record in file.quarantined if file else ():
        assert record.line > 0 and record.reason and "\n" not in record.reason, record
        assert len(record.reason) <= 300 and len(record.excerpt) <= 200, record
    return file


def split(folder: Path, logs: MappedLogs, file: LogFile) -> None:
    """Every row is in one split, or listed as removed; its question and passages are unchanged."""
    settings = DataSettings(train=logs, max_bad_fraction=1.0, val_fraction=0.3, follow_ups=False)
    splits = attempt("splits", lambda: prepare_splits(settings, folder, 0))
    if splits is not None:
        check_complete(splits, {row.id: row for row in file.rows})
        assert splits.quality.quarantined == file.quarantined


def check_complete(splits: PreparedSplits, rows: dict[str, Row]) -> None:
    quality = splits.quality
    removed = {*quality.leaks_removed, *quality.duplicates_removed}
    written = [*splits.train, *splits.val]
    assert len(written) + len(removed) == len(rows)
    assert {row.id for row in written} | removed == set(rows)
    for row in written:
        logged = rows[row.id]
        assert row.model_copy(update={"answers": logged.answers}) == logged
        assert row.answers.keys() <= logged.answers.keys()
        assert all(text in logged.answers[system] for system, text in row.answers.items())


@fuzzed(100, long_run=10000)
@given(form=FORM, data=st.data())
def test_changed_cells(folder: Path, form: str, data: st.DataObject) -> None:
    """A record with changed cells is a row or quarantined; the others are the rows that they were.

    Parquet has one type a column: cells are changed to texts there.
    """
    at = data.draw(st.integers(0, len(MESSAGES) - 1))
    records: list[Any] = [dict(record) for record in MESSAGES]
    if form == "parquet":
        records[at]["message"] = data.draw(st.one_of(st.sampled_from(ODD_TEXTS), st.text()))
    else:
        records[at] = data.draw(changed_tree(records[at]))
    path = folder / f"cells{FORMS[form].suffix}"
    logs = FORMS[form].settings("cells")
    try:
        path.write_bytes(FORMS[form].write(records))
    except (UnicodeEncodeError, AttributeError, ValueError):  # the form cannot hold such a cell
        return
    file = read(folder, logs)
    if file is None:
        return
    assert len(file.rows) + len(file.quarantined) == len(records)
    unchanged = [row for row in file.rows if int(row.id.rsplit("-", 1)[1]) != at + 1]
    assert [row.question for row in unchanged] == [
        record["message"] for place, record in enumerate(MESSAGES) if place != at
    ]
    split(folder, logs, file)


@fuzzed(100, long_run=10000)
@given(form=FORM, data=st.data())
def test_changed_bytes(folder: Path, form: str, data: st.DataObject) -> None:
    path = folder / f"bytes{FORMS[form].suffix}"
    logs = FORMS[form].settings("bytes")
    path.write_bytes(data.draw(changed_bytes(FORMS[form].write(MESSAGES))))
    file = read(folder, logs)
    if file is not None:
        split(folder, logs, file)


@fuzzed(60, long_run=6000)
@given(data=st.data())
def test_changed_lines(folder: Path, data: st.DataObject) -> None:
    """In JSONL every line whose bytes are whole is the row that it was."""
    whole = to_jsonl(MESSAGES)
    changed = data.draw(changed_bytes(whole))
    (folder / "lines.jsonl").write_bytes(changed)
    logs = TableLogs(path="lines.jsonl", fields=FIELDS)
    file = read(folder, logs)
    if file is None:
        return
    questions = {line: json.loads(line)["message"] for line in whole.splitlines()}
    for number, line in enumerate(changed.split(b"\n"), 1):
        if line in questions:
            row = next(row for row in file.rows if row.origin == f"lines.jsonl:{number}")
            assert row.question == questions[line]
    assert len(file.rows) + len(file.quarantined) == sum(
        bool(line.decode("utf-8", "replace").strip()) for line in changed.split(b"\n")
    )


@fuzzed(80, long_run=8000)
@given(raw=st.booleans(), data=st.data())
def test_changed_campus_logs(folder: Path, raw: bool, data: st.DataObject) -> None:
    """The campus format: Python's repr of documents inside of JSON."""
    records = json.dumps(CAMPUS, ensure_ascii=False).encode()
    tree = CAMPUS
    if raw:
        content = data.draw(changed_bytes(records))
    else:
        tree = data.draw(changed_tree(CAMPUS))
        content = json.dumps(tree).encode()
    (folder / "campus.json").write_bytes(content)
    logs = CampusLogs(path="campus.json")
    file = read(folder, logs)
    if file is not None:
        assert raw or len(file.rows) + len(file.quarantined) == len(tree)
        split(folder, logs, file)


@fuzzed(40, long_run=4000)
@given(data=st.data())
def test_changed_field_maps(folder: Path, data: st.DataObject) -> None:
    """Another field map on a valid file: paths into nested values, names that are not there."""
    (folder / "fields.jsonl").write_bytes(to_jsonl(MESSAGES))
    tree = data.draw(changed_tree(FIELDS.model_dump(mode="json")))
    try:
        fields = FieldMap.model_validate(tree)
        fields.model_dump_json()
    except ValueError:  # a settings error: test_fuzz_settings
        return
    logs = TableLogs(path="fields.jsonl", fields=fields)
    file = read(folder, logs)
    if file is not None:
        split(folder, logs, file)
