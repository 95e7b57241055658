"""Checks the files that the settings name before anything is computed.

Light: no model, tokenizer or log is loaded, so that a wrong path is told within a second.
"""

from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from config.errors import ConfigError, UnpromptedError
from config.key_lines import KeyPath
from config.load import settings_sources
from config.missing_file import no_such_file
from config.schema import Config
from data.readers.hub_dataset import is_hub_dataset
from prompts.probe_bank import load_probe_bank
from prompts.prompt_file import load_prompt, read_prompt

_DRAFT = "; `unprompted judge CONFIG draft-rules` writes a first one"


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
            reason = no_such_file(Path(file), path.parent)
            draft = _DRAFT if key == ("prompt", "rules") else ""
            lines.append(f"{sources.place(key)}: {name} = {file!r}: {reason}{draft}")
    absent = {named.path[-1] for named in missing}
    for read in _readers(config, absent):
        try:
            read()
        except UnpromptedError as error:
            lines += error.lines
    if lines:
        raise ConfigError(*lines)


def _readers(config: Config, absent: Set[str | int]) -> Iterator[Callable[[], object]]:
    """Reads of the files that are there."""
    if not absent & {"system", "examples"}:
        reader = read_prompt if "rules" in absent else load_prompt
        yield lambda: reader(config.prompt, Path())
    probes = config.probes
    if probes is not None and probes.bank is not None and "bank" not in absent:
        yield lambda: load_probe_bank(probes.bank, "en")


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
        if logs is not None and not (logs.kind == "auto" and is_hub_dataset(logs.path)):
            yield _Named(("data", split, "path"), logs.path)
    if config.probes is not None and config.probes.bank is not None:
        yield _Named(("probes", "bank"), config.probes.bank)
    for number, student in enumerate(config.students):
        if student.retention is not None:
            file = student.retention.questions
            yield _Named(("students", number, "retention", "questions"), file)
