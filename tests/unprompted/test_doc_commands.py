"""Every command in the docs is one that its parser takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.checkout import ROOT
from config.cli import parse_arguments
from unprompted.command_table import COMMANDS

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^```(?:bash|sh|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(unprompted [^`\n]+)`")


def commands_of(page: Path) -> Iterator[str]:
    """The commands of `unprompted` in blocks and in text."""
    text = page.read_text("utf-8")
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if " unprompted " in f" {line.partition('#')[0]}":
                yield line[line.index("unprompted ") :]
    yield from _INLINE.findall(re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def test_there_are_commands() -> None:
    assert sum(len(list(commands_of(page))) for page in PAGES) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_are_taken(page: Path) -> None:
    """An action or option that was renamed would stay in the docs unnoticed."""
    for line in commands_of(page):
        name, *words = shlex.split(line, comments=True)[1:]
        words = [word for word in words if word != "&"]
        if "COMMAND" in (name, *words) or name == "completion" or "…" in line:
            continue
        assert name in COMMANDS, line
        if words[:1] != ["compare"]:  # takes runs in place of CONFIG
            parse_arguments(COMMANDS[name].make_parser(), words)
