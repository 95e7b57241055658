"""A small experiment without mistakes, for tests that make one."""

from collections.abc import Callable
from pathlib import Path

from config.errors import UnpromptedError

SETTINGS = """\
name: mine
prompt: {system: prompt.txt, rules: rules.yaml}
data:
  train:
    kind: table
    path: logs.jsonl
    fields: {question: q}
model: {name: embedded}
students:
  - name: a
    epochs: 2
"""
PROMPT = "You are the desk. Answer in Russian. Be brief, be kind."
RULES = """\
version: 1
rules:
  - id: russian
    source: Answer in Russian.
    check: {type: script_share, alphabet: cyrillic, min: 0.9}
  - id: brief
    source: Be brief
    applies: {code: [{field: labels, matches: x}]}
    check: {type: length, max_words: 40}
"""


def write_experiment(folder: Path) -> Path:
    """Writes all files; returns the path of the settings."""
    (folder / "prompt.txt").write_text(PROMPT, "utf-8")
    (folder / "rules.yaml").write_text(RULES, "utf-8")
    (folder / "logs.jsonl").write_text('{"q": "When?"}\n', "utf-8")
    path = folder / "my.yaml"
    path.write_text(SETTINGS, "utf-8")
    return path


def mistake_lines(action: Callable[[], object]) -> list[str]:
    """The lines of the error that the action ends with; none when it succeeds."""
    try:
        action()
    except UnpromptedError as error:
        return list(error.lines)
    return []


def changed(text: str, changes: dict[str, str]) -> str:
    """The text with each part replaced once. Raises AssertionError where a part is missing."""
    for part, replacement in changes.items():
        assert part in text, part
        text = text.replace(part, replacement, 1)
    return text
