"""Where recognised logs lie: a file, a folder of files, a saved dataset, or one on the hub.

Gives the records of each part; `recognise` finds their form.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from config.errors import DataError, first_line
from config.log_formats import AutoLogs, Logs
from data.readers.code_page import as_utf8, is_cp1251
from data.readers.entry import Entry
from data.readers.hub_dataset import is_hub_dataset
from data.readers.json_logs import read_json, read_one_object
from data.readers.table_logs import (
    CSV_SUFFIXES,
    OTHER_WORKBOOKS,
    TABLE_SUFFIXES,
    WORKBOOK_SUFFIXES,
    log_suffix,
    read_table,
)
from data.readers.text_file import read_lines

_SPLIT_NAME = re.compile(r"(?:^|[\W_])(train|validation|valid|val|dev|test)(?=$|[\W_\d])")
_OF_DATASET = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
_RECORD_LISTS = (  # places of the records in exports that are one object
    *(("results", "results"), ("results",), ("data",), ("runs",), ("traces",), ("observations",)),
    *(("spans",), ("records",), ("items",), ("examples",), ("rows",), ("logs",)),
    *(("evals", "results"), ("results", "outputs")),
)
_HUB_TIMEOUT = 10  # s


class LogPart(NamedTuple):
    """One file or dataset of the logs."""

    name: str  # for origins: the path as it is in the settings
    stem: str  # in row ids
    entries: Callable[[], Iterator[Entry]]
    is_cp1251: bool = False  # guessed, so that the line on the logs says it
    unread: Sequence[str] = ()  # sheets of a workbook that are not read, after the first record


class LogParts(NamedTuple):
    """The parts of the logs, and what of the path is not read."""

    parts: tuple[LogPart, ...]
    unread: tuple[str, ...] = ()  # files or splits of another split than the wanted one


def log_parts(settings: AutoLogs, root: Path) -> LogParts:
    """The parts of the configured logs, whose path is relative to `root`.

    Raises DataError when nothing can be read there.
    """
    path = root / settings.path
    if path.is_file():
        return LogParts((_file_part(path, settings.path, path.stem),))
    if (path / "dataset_dict.json").is_file():
        names = sorted(part.name for part in path.iterdir() if (part / "state.json").is_file())
        split = _chosen_split(settings, names)
        part = _dataset_part(settings.path, partial(_saved_dataset, path / split), split)
        return LogParts((part,), tuple(name for name in names if name != split))
    if (path / "state.json").is_file():
        return LogParts((_dataset_part(settings.path, partial(_saved_dataset, path)),))
    if path.is_dir():
        return _folder_parts(settings, path)
    if is_hub_dataset(settings.path):
        load = partial(_hub_dataset, settings)
        return LogParts((_dataset_part(settings.path, load, settings.split or "train"),))
    raise DataError(f"{path}: no such file; paths are relative to the folder you are in")


def is_table_file(path: Path) -> bool:
    """Whether `read_table` reads this file: by its suffix, and not as an export of one object."""
    suffix = log_suffix(path).lower()
    if not path.is_file() or suffix not in TABLE_SUFFIXES:
        return False
    return suffix.removesuffix(".gz") != ".json" or read_one_object(path) is None


def is_json_list(path: Path) -> bool:
    """Whether the file's text begins as a list, and not as lines of objects."""
    return _start(path).startswith("[")


def watched_files(settings: Logs, root: Path) -> tuple[Path, ...]:
    """The files that the logs consist of, for a check whether they changed; none on the hub."""
    path = root / settings.path
    if isinstance(settings, AutoLogs) and path.is_dir():
        return tuple(sorted(part for part in path.rglob("*") if part.is_file()))
    is_hub = isinstance(settings, AutoLogs) and is_hub_dataset(settings.path) and not path.exists()
    return () if is_hub else (path,)


def _folder_parts(settings: AutoLogs, path: Path) -> LogParts:
    files = sorted(part for part in path.rglob("*") if _is_log(part, path))
    if not files:
        known = ", ".join(TABLE_SUFFIXES)
        raise DataError(f"{path}: the folder has no logs; put files in it that end with {known}")
    splits = {file: _split_of(file.relative_to(path)) for file in files}
    names = sorted({split for split in splits.values() if split is not None})
    if settings.split is not None or len(names) > 1:
        wanted = _chosen_split(settings, names)
        chosen = [file for file, split in splits.items() if split in (wanted, None)]
    else:
        chosen = files
    others = [part for part in path.rglob("*") if log_suffix(part).lower() in OTHER_WORKBOOKS]
    left_out = [*(file for file in files if file not in chosen), *sorted(others)]
    unread = tuple(str(file.relative_to(path)) for file in left_out)
    bare = [file.relative_to(path).with_suffix("") for file in chosen]
    parts = []
    for file, name in zip(chosen, bare, strict=True):
        inner = file.relative_to(path)
        stem = inner if bare.count(name) > 1 else name
        parts.append(_file_part(file, f"{settings.path}/{inner}", "-".join(stem.parts)))
    return LogParts(tuple(parts), unread)


def _is_log(file: Path, folder: Path) -> bool:
    inner = file.relative_to(folder)
    is_hidden = any(part.startswith((".", "_", "~$")) for part in inner.parts)
    is_known = log_suffix(file).lower() in TABLE_SUFFIXES and file.name not in _OF_DATASET
    return is_known and not is_hidden and file.is_file()


def _split_of(inner: Path) -> str | None:
    """The split that a file's name or folder tells, as datasets on the hub are laid out."""
    match = _SPLIT_NAME.search(inner.as_posix().lower())
    return match and match[1]


def _chosen_split(settings: AutoLogs, names: list[str]) -> str:
    wanted = settings.split or ("train" if "train" in names or len(names) != 1 else names[0])
    if wanted in names:
        return wanted
    raise DataError(
        f"{settings.path}: there is no split {wanted!r}; set `split` to one of "
        f"{', '.join(names) or 'none'}"
    )


def _file_part(path: Path, name: str, stem: str) -> LogPart:
    if log_suffix(path).lower() in CSV_SUFFIXES and is_cp1251(path):
        return LogPart(name, stem, partial(_read_cp1251, path), True)
    if log_suffix(path).lower() in WORKBOOK_SUFFIXES:
        unread = list[str]()
        return LogPart(name, stem, partial(read_table, path, unread), unread=unread)
    return LogPart(name, stem, partial(read_any_file, path))


def _read_cp1251(path: Path) -> Iterator[Entry]:
    with as_utf8(path) as copy:
        yield from read_any_file(copy)


def read_any_file(path: Path) -> Iterator[Entry]:
    """The records of a file: by its suffix, or as JSON where the text begins like it.

    Of a JSON object that holds a list of records, such as an export, its records.
    Raises DataError as the readers do.
    """
    suffix = log_suffix(path).lower().removesuffix(".gz")
    is_json = suffix in (".json", ".jsonl", ".ndjson")
    is_known = suffix in (*TABLE_SUFFIXES, *OTHER_WORKBOOKS)
    if not is_json and (is_known or not _begins_as_json(path)):
        return read_table(path)
    values = read_one_object(path) if suffix not in (".jsonl", ".ndjson") else None
    return read_json(path) if values is None else _object_entries(values)


def _begins_as_json(path: Path) -> bool:
    return _start(path).startswith(("{", "["))


def _start(path: Path) -> str:
    return next(read_lines(path, "\n", 1000), "").lstrip("\ufeff \t\r\n")


def _object_entries(values: Mapping[str, Any]) -> Iterator[Entry]:
    """The records of an export that is one object, with their place in it as the line."""
    records = next(filter(None, (_at(values, place) for place in _RECORD_LISTS)), [values])
    for number, record in enumerate(records, 1):
        is_object = isinstance(record, dict)
        problem = None if is_object else "not an object"
        yield Entry(number, number, "", dict(record) if is_object else None, problem)


def _at(values: Mapping[str, Any], place: tuple[str, ...]) -> list[Any] | None:
    value: Any = values
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    is_records = isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    return value if is_records else None


def _dataset_part(name: str, load: Callable[[], Any], split: str | None = None) -> LogPart:
    """`split`: in the ids, as train and val may be splits of one dataset."""
    stem = Path(name).name or "dataset"
    stem = stem if split is None else f"{stem}-{split}"
    return LogPart(name, stem, partial(_dataset_entries, load))


def _dataset_entries(load: Callable[[], Any]) -> Iterator[Entry]:
    for number, record in zip(count(1), load(), strict=False):
        yield Entry(number, number, "", dict(record), None)


def _saved_dataset(path: Path) -> Any:
    import datasets  # heavy, and only saved datasets need it

    try:
        return datasets.load_from_disk(str(path))
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = first_line(error)
        raise DataError(f"{path}: not a saved dataset: {reason}; save it again") from None


def _hub_dataset(settings: AutoLogs) -> Iterator[Any]:
    """The rows of a dataset on the hub, streamed. Raises DataError when it cannot be reached."""
    import datasets
    from huggingface_hub import HfApi, constants

    name, split = settings.path, settings.split or "train"
    is_offline = constants.HF_HUB_OFFLINE
    try:
        if not is_offline:  # checked first: `load_dataset` retries for half a minute
            HfApi().dataset_info(name, timeout=_HUB_TIMEOUT)
        yield from datasets.load_dataset(name, split=split, streaming=not is_offline)
    except Exception as error:  # whatever a client of the network raises
        reason = first_line(error)
        raise DataError(
            f"{name}: no file or folder here, and no dataset on the hub that can be loaded "
            f"({reason}); check the name, or download it where there is network: hf download "
            f"--repo-type dataset {name} --local-dir FOLDER, and give FOLDER"
        ) from None
