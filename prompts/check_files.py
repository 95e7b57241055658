"""Checks the files that the settings name before anything is computed.

Light: no model, tokenizer or log is loaded, so that a wrong path is told within a second.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from config.errors import ConfigError, UnpromptedError
from config.expected import nearest
from config.key_lines import KeyPath
from config.load import settings_sources
from config.schema import Config
from prompts.probe_bank import load_probe_bank
from prompts.prompt_file import load_prompt, read_prompt

_LOGS_IN_FILES = ("campus", "table")  # kinds whose path is no name on a hub
_MAX_LISTED = 1000  # names of a folder that are compared with a misspelt one


class _Named(NamedTuple):
    """A file that a setting names."""

    path: KeyPath
    file: str


def check_files(config: Config, path: Path, overrides: Sequence[str] = ()) -> None:
    """Reads prompt, rules, examples and probe bank, and looks for logs and question files.

    Raises ConfigError with a line for each mistake in any of them. `path` and `overrides` are
    those of `load_config`. Files are relative to the current folder.
    """
    missing = [named for named in _named_files(config) if not Path(named.file).exists()]
    lines = []
    if missing:
        sources = settings_sources(path, overrides)
        for key, file in missing:
            name = ".".join(map(str, key))
            lines.append(f"{sources.place(key)}: {name} = {file!r}: {_no_file(file, path)}")
    absent = {named.path for named in missing}
    try:
        if not absent & {("prompt", part) for part in ("system", "rules", "examples")}:
            load_prompt(config.prompt, Path())
        elif not absent & {("prompt", part) for part in ("system", "examples")}:
            read_prompt(config.prompt, Path())
    except UnpromptedError as error:
        lines += error.lines
    try:
        if config.probes is not None and config.probes.bank and ("probes", "bank") not in absent:
            load_probe_bank(config.probes.bank, "en")
    except UnpromptedError as error:
        lines += error.lines
    if lines:
        raise ConfigError(*lines)


def _named_files(config: Config) -> Iterator[_Named]:
    for part, file in (
        ("system", config.prompt.system),
        ("rules", config.prompt.rules),
        ("examples", config.prompt.examples),
    ):
        if file is not None:
            yield _Named(("prompt", part), file)
    for split in ("train", "val", "hidden"):
        logs = getattr(config.data, split)
        if logs is not None and (logs.kind in _LOGS_IN_FILES or Path(logs.path).suffix):
            yield _Named(("data", split, "path"), logs.path)
    if config.probes is not None and config.probes.bank is not None:
        yield _Named(("probes", "bank"), config.probes.bank)
    for number, student in enumerate(config.students):
        if student.retention is not None:
            file = student.retention.questions
            yield _Named(("students", number, "retention", "questions"), file)


def _no_file(file: str, settings: Path) -> str:
    beside = settings.parent / file
    folder = Path(file).parent
    start = f"no such file from {os.getcwd()}, the folder you are in"
    if os.path.lexists(file):
        return "a link to a file that is not there; correct the link"
    if beside.exists():
        return f"{start}; write {os.path.relpath(beside)}"
    if not folder.is_dir():
        return f"{start}: there is no folder {str(folder)!r}; correct the path"
    try:
        names = [entry.name for entry in islice(os.scandir(folder), _MAX_LISTED)]
    except OSError:
        names = []
    similar = nearest(Path(file).name, sorted(names))
    if similar is not None:
        return f"{start}; did you mean {str(folder / similar)!r}?"
    return f"{start}; correct the path, or change the folder"
