"""Every command in the docs is run by a test, or the catalogue says why none runs it."""

import re
import shlex
from collections import Counter

import pytest

from config.checkout import ROOT
from config.cli import parse_arguments
from tests.docs.commands.catalogue import read_catalogue
from tests.docs.commands.page_commands import PAGES, PageCommand, page_commands
from unprompted.command_table import COMMANDS

CATALOGUE = read_catalogue()
ON_PAGES = [command for path in PAGES for command in page_commands(path)]
TRANSLATIONS = {
    "README.ru.md": "README.md",
    "docs/ru/setup.md": "docs/setup.md",
    "docs/ru/own-logs.md": "docs/own-logs.md",
    "docs/ru/index.md": "docs/index.md",
}


def test_there_are_commands() -> None:
    """Else the tests below would pass by finding nothing; 206 at the time, 105 different ones."""
    assert len(ON_PAGES) > 150
    assert {"README.md", "docs/commands.md", "examples/quickstart.ipynb"} <= {
        command.page for command in ON_PAGES
    }


def test_every_command_is_in_the_catalogue() -> None:
    """Add it to commands.yaml: to a scenario that runs it, or with the reason why none does."""
    listed = set(CATALOGUE.all())
    assert [command for command in ON_PAGES if command.text not in listed] == []


def test_every_line_of_the_catalogue_is_on_a_page() -> None:
    """Once: a command that is run needs no reason why it is not."""
    shown = {command.text for command in ON_PAGES}
    assert [command for command in CATALOGUE.all() if command not in shown] == []
    assert [command for command, count in Counter(CATALOGUE.all()).items() if count > 1] == []


def test_the_tests_that_run_commands_are_there() -> None:
    """So are those that a reason names."""
    for name in CATALOGUE.by_test:
        path, _, function = name.partition("::")
        assert f"def {function}(" in (ROOT / path).read_text("utf-8"), name
    named = {path for reason in CATALOGUE.not_run for path in re.findall(r"tests/[\w/.]+", reason)}
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_a_scenario_has_the_order_of_the_pages() -> None:
    """Within each block of a page: a reader types its lines from above."""
    for name, commands in CATALOGUE.run.items():
        places = {command: place for place, command in enumerate(commands)}
        blocks: dict[tuple[str, int], list[int]] = {}
        for command in ON_PAGES:
            if command.block is not None and command.text in places:
                block = blocks.setdefault((command.page, command.block), [])
                block.append(places[command.text])
        assert {key: order for key, order in blocks.items() if order != sorted(order)} == {}, name


@pytest.mark.parametrize(("page", "original"), TRANSLATIONS.items())
def test_a_translation_shows_the_same_commands(page: str, original: str) -> None:
    """In blocks, where a reader copies them."""
    assert _blocks_of(page) == _blocks_of(original)


def _blocks_of(page: str) -> list[str]:
    return [c.text for c in ON_PAGES if c.page == page and c.block is not None]


@pytest.mark.parametrize(
    "command",
    [c for c in ON_PAGES if "unprompted" in c.text.split()[:2]],
    ids=lambda command: f"{command.page}: {command.text}",
)
def test_a_command_is_one_that_its_parser_takes(command: PageCommand) -> None:
    """Also where no test runs it: a renamed option would stay in the docs unnoticed."""
    line = command.text.partition("<")[0]
    words = [word for word in shlex.split(line) if word != "&"]
    name, *words = words[words.index("unprompted") + 1 :]
    if name == "--version":
        return
    assert name in COMMANDS, line
    if words[:1] != ["compare"]:  # takes runs in place of CONFIG
        parse_arguments(COMMANDS[name].make_parser(), words)
