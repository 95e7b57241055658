"""Settings that the docs name, in text and in blocks of YAML, are settings of today."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.checkout import ROOT
from config.expected import Option, child_options, keys_of
from config.schema import Config

PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if page.name != "CHANGELOG.md"  # it names the settings of its day
)
_SECTIONS = "|".join(keys_of(Config))
_NAMED = re.compile(rf"`((?:{_SECTIONS})(?:\.[a-z_0-9]+)+)(?:[:=][^`]*)?`")
_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SUFFIXES = ("md", "json", "jsonl", "yaml")  # `data.json` would be a file


def is_setting(path: str) -> bool:
    """Whether a dotted path leads to a setting, or to an open mapping below one."""
    options = [Option(Config)]
    for key in path.split("."):
        inner = [child for option in options for child in child_options([option], _key(key))]
        is_open = any(option.kind is Any for option in options)
        if not inner and not is_open:
            return False
        options = inner
    return True


def _key(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def paths_of(values: Any, path: str = "") -> Iterator[str]:
    """The dotted paths of all keys of nested settings."""
    items = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in items:
        inner = f"{path}.{key}" if path else str(key)
        yield inner
        if isinstance(value, dict | list) and "extra_body" not in inner:
            yield from paths_of(value, inner)


def settings_blocks(page: Path) -> Iterator[dict[str, Any]]:
    """The blocks of a page that are settings; `…` and `[...]` are for the reader to fill in."""
    for text in _BLOCK.findall(page.read_text("utf-8")):
        for part in re.split(r"\n(?=teacher: \{engine)", text):
            values = yaml.safe_load(part.replace("[...]", "[]"))
            if isinstance(values, dict) and set(values) <= set(keys_of(Config)):
                yield values


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_in_text_are_there(page: Path) -> None:
    names = {name for name in _NAMED.findall(page.read_text("utf-8"))}
    names = {name for name in names if name.rsplit(".")[-1] not in _SUFFIXES}
    missing = [name for name in sorted(names) if not is_setting(name)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_in_blocks_are_there(page: Path) -> None:
    for values in settings_blocks(page):
        missing = [path for path in paths_of(values) if not is_setting(path)]
        assert missing == []


def test_there_are_settings_in_text_and_blocks() -> None:
    """Else both tests above would pass by finding nothing; 60 names and 5 blocks at the time."""
    names = [name for page in PAGES for name in _NAMED.findall(page.read_text("utf-8"))]
    assert len(set(names)) > 30
    assert sum(len(list(settings_blocks(page))) for page in PAGES) > 3


@pytest.mark.parametrize(
    "name", ["teacher.heat", "students.0.epoch", "judge.llm.url", "wandb.mode"]
)
def test_what_is_no_setting_is_told(name: str) -> None:
    assert not is_setting(name)
