"""Writes the hash of a changed system prompt into its rule file, which a person has checked."""

from pathlib import Path

from yaml.nodes import MappingNode, Node

from config.errors import DataError
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
    if parse_yaml(text, str(path)) != {**document.values, _KEY: actual}:
        raise DataError(f"{path}: cannot be edited by the program; write {_KEY}: {actual}")
    write_text(path, text)
    was = f", in place of {earlier[:12]}…" if earlier else ""
    return f"{path}: {_KEY} = {actual[:12]}…{was}"


def _with_hash(text: str, root: Node | None, actual: str) -> str:
    if not isinstance(root, MappingNode):
        return text
    for key, value in root.value:
        if key.value == _KEY:
            return text[: value.start_mark.index] + actual + text[value.end_mark.index :]
    start = root.value[0][0].start_mark
    behind = ", " if root.flow_style else "\n" + " " * start.column
    return f"{text[: start.index]}{_KEY}: {actual}{behind}{text[start.index :]}"
