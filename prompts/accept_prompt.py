"""Writes the hash of a changed system prompt into its rule file, which a person has checked."""

from pathlib import Path
from typing import Any

from yaml.nodes import MappingNode, Node

from config.errors import DataError, UnpromptedError
from config.schema import Config
from config.yaml_file import parse_yaml, read_document, read_text_file
from data.atomic_write import write_text
from prompts.prompt_file import read_prompt
from prompts.rules import load_rules, prompt_sha256

_KEY = "prompt_sha256"


def accept_prompt(config: Config) -> str:
    """Writes the hash, comments and order stay as they are; returns what it did, in one line.

    Raises what `read_prompt` and `load_rules` raise, so that a rule whose quote is gone is refused,
    and DataError for a file that cannot be edited.
    """
    system = read_prompt(config.prompt, Path()).system
    path, actual = Path(config.prompt.rules), prompt_sha256(system)
    load_rules(path, system, accepts_prompt=True)
    document = read_document(path)
    earlier = document.values.get(_KEY)
    if earlier == actual:
        return f"{path}: {_KEY} is the prompt's already"
    text = _with_hash(read_text_file(path), document.root, actual)
    if not _reads_as(text, {**document.values, _KEY: actual}):
        raise DataError(f"{path}: cannot be edited by the program; write {_KEY}: {actual}")
    write_text(path, text)
    was = f", in place of {earlier[:12]}…" if earlier else ""
    return f"{path}: {_KEY} = {actual[:12]}…{was}"


def _reads_as(text: str, values: Any) -> bool:
    try:
        return bool(parse_yaml(text, "rules") == values)
    except UnpromptedError:
        return False


def _with_hash(text: str, root: Node | None, actual: str) -> str:
    if not isinstance(root, MappingNode):
        return text
    for key, value in root.value:
        if key.value == _KEY:
            start, end = value.start_mark.index, value.end_mark.index
            quote = '"' if root.flow_style else ""  # JSON stays JSON
            blank = " " if start == end else ""  # no value behind the colon
            return f"{text[:start]}{blank}{quote}{actual}{quote}{text[end:]}"
    start = root.value[0][0].start_mark
    if root.flow_style:
        entry = f'"{_KEY}": "{actual}", '
    else:
        newline = "\r\n" if "\r\n" in text else "\n"
        entry = f"{_KEY}: {actual}{newline}{' ' * start.column}"
    return text[: start.index] + entry + text[start.index :]
