"""The help of every command as text: the section of docs/commands.md.

`python -m tests.command_reference` writes it into the page anew.
"""

import argparse
import os
from unittest import mock

from config.checkout import ROOT
from config.command_parser import CommandParser
from data.atomic_write import write_text
from unprompted.command_table import GROUPS

PAGE = ROOT / "docs/commands.md"
_BEGIN, _END = "<!-- help: begin -->\n", "<!-- help: end -->\n"


def command_reference() -> str:
    """Markdown with a section per command, and in it the help of the command and its actions."""
    parts = list[str]()
    for commands in GROUPS.values():
        for command in commands:
            parser = command.make_parser()
            parts.append(f"### {command.name}\n\n{_help(parser)}")
            parts += [_help(action) for action in parser.actions().values() if _has_own(action)]
    return "\n\n".join(parts)


def _has_own(action: CommandParser) -> bool:
    """Whether an action has arguments beside those of every action."""
    common = {"help", "accept_changes"}
    return bool({argument.dest for argument in action._actions} - common)


def _help(parser: CommandParser) -> str:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    with mock.patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1"}):
        return f"```text\n{parser.format_help().rstrip()}\n```"


def page_with_help(reference: str, page: str) -> str:
    """The page with this reference in place of its own."""
    before, rest = page.split(_BEGIN)
    return f"{before}{_BEGIN}\n{reference}\n\n{_END}{rest.split(_END)[1]}"


if __name__ == "__main__":
    write_text(PAGE, page_with_help(command_reference(), PAGE.read_text("utf-8")))
