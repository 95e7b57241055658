"""The parser of one command: help with examples and colours, errors in one line."""

import argparse
import difflib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from config.errors import UsageError

_LINE = 79  # columns of a description; the formatter keeps its line breaks
_OVERRIDES = "key.path=value, in any place, overrides a setting of CONFIG"


class CommandParser(argparse.ArgumentParser):
    """argparse's parser of `unprompted COMMAND …`. A mistake raises UsageError."""

    def __init__(self, *arguments: Any, **values: Any) -> None:
        values.setdefault("formatter_class", _help_formatter)
        values.setdefault("allow_abbrev", False)
        super().__init__(*arguments, **values)

    def error(self, message: str) -> NoReturn:
        """Raises UsageError with argparse's message and the command that explains."""
        raise UsageError(f"{self.prog}: {message}; see `{self.prog} --help`")

    def unknown_words(self, words: Sequence[str]) -> str:
        """The error line for words that no argument takes."""
        flag = next((word for word in words if word.startswith("-")), None)
        if flag is None:
            return (
                f"{self.prog}: {words[0]!r} is one word too many; an override is written "
                "key.path=value"
            )
        name = flag.partition("=")[0]
        owners = [
            action
            for action, parser in self.actions().items()
            if name in parser._option_string_actions
        ]
        if owners:
            return f"{self.prog}: {name} belongs to {' and '.join(owners)}; leave it out"
        known = [text for option in self.options() for text in option.option_strings]
        similar = difflib.get_close_matches(name, known, n=1)
        way_out = f"did you mean {similar[0]}?" if similar else f"see `{self.prog} --help`"
        return f"{self.prog}: there is no option {name}; {way_out}"

    def add_actions(self, texts: Mapping[str, str]) -> dict[str, "CommandParser"]:
        """Adds the actions of a command with their help; returns the parser of each."""
        actions = self.add_subparsers(
            dest="action", required=True, metavar="ACTION", title="actions"
        )
        return {
            name: actions.add_parser(name, help=text, description=text)
            for name, text in texts.items()
        }

    def actions(self) -> dict[str, "CommandParser"]:
        """The parser of each action; none for a command without actions."""
        groups = (part for part in self._actions if isinstance(part, argparse._SubParsersAction))
        return {name: parser for group in groups for name, parser in group.choices.items()}

    def options(self) -> Iterator[argparse.Action]:
        """The options of this command and of its actions."""
        yield from self._get_optional_actions()
        for parser in self.actions().values():
            yield from parser.options()


def command_parser(command: str, description: str, *examples: str) -> CommandParser:
    """A parser of `unprompted COMMAND CONFIG …`; each room adds its own actions.

    `examples`: what may follow the command's name, one per line of the help.
    """
    parser = plain_parser(command, description, *examples)
    parser.epilog = f"{_OVERRIDES}\n\n{parser.epilog}"
    parser.add_argument("config", metavar="CONFIG", help="YAML file of the experiment")
    return parser


def plain_parser(command: str, description: str, *examples: str) -> CommandParser:
    """A parser of `unprompted COMMAND …` without CONFIG."""
    prog = f"unprompted {command}"
    lines = [f"  {prog} {example}".rstrip() for example in examples]
    return CommandParser(
        prog=prog,
        description=textwrap.fill(description, _LINE),
        epilog="\n".join(["examples:", *lines]),
    )


def _help_formatter(prog: str) -> argparse.HelpFormatter:
    from rich_argparse import RawDescriptionRichHelpFormatter  # only where help is shown

    return RawDescriptionRichHelpFormatter(prog, max_help_position=28)
