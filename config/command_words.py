"""The words of a command line, sorted: CONFIG, action, options and overrides, in any order."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from config.command_parser import CommandParser
from config.errors import UsageError

_OVERRIDE = re.compile(r"[A-Za-z_]\w*(\.[\w-]+)*=", re.DOTALL)


@dataclass(frozen=True)
class CommandWords:
    """The words after the name of a command."""

    positionals: tuple[str, ...]  # CONFIG, the action and what the action takes
    options: tuple[str, ...]  # with their values
    overrides: tuple[str, ...]  # key.path=value

    @classmethod
    def of(cls, parser: CommandParser, words: Sequence[str]) -> "CommandWords":
        """Sorts `words`. Raises UsageError where CONFIG or the action is missing."""
        with_value = {
            name
            for option in parser.options()
            for name in option.option_strings
            if option.nargs != 0
        }
        positionals, options, overrides = list[str](), list[str](), list[str]()
        previous = ""
        for word in words:
            if previous in with_value or word.startswith("-"):
                options.append(word)
            elif _OVERRIDE.match(word):
                overrides.append(word)
            else:
                positionals.append(word)
            previous = word if previous not in with_value else ""
        if not {"-h", "--help"} & set(options):
            positionals = _config_first(parser, positionals)
        return cls(tuple(positionals), tuple(options), tuple(overrides))

    def ordered(self) -> list[str]:
        """The words without overrides, as argparse reads them: CONFIG and action first."""
        return [*self.positionals[:2], *self.options, *self.positionals[2:]]


def _config_first(parser: CommandParser, positionals: list[str]) -> list[str]:
    """The words with CONFIG before the action."""
    positional_actions = parser._get_positional_actions()
    if not any(action.dest == "config" and action.required for action in positional_actions):
        return positionals
    actions = list(parser.actions())
    if len(positionals) > 1 and _is_action(positionals[0], positionals[1], actions):
        positionals[:2] = positionals[1::-1]
    if not positionals or (len(positionals) == 1 and positionals[0] in actions):
        example = " ".join((parser.prog, "my.yaml", *positionals))
        raise UsageError(
            f"CONFIG is missing: name the experiment's file, for example `{example}`; "
            "`unprompted init` writes one"
        )
    if actions and positionals[1:2] == []:
        raise UsageError(f"{parser.prog}: the action is missing; choose {_any_of(actions)}")
    if actions and positionals[1] not in actions:
        similar = difflib.get_close_matches(positionals[1], actions, n=1)
        way_out = f"did you mean {similar[0]!r}?" if similar else f"choose {_any_of(actions)}"
        raise UsageError(f"{parser.prog}: there is no action {positionals[1]!r}; {way_out}")
    return positionals


def _is_action(word: str, other: str, actions: Sequence[str]) -> bool:
    """Whether of two words the first is the action, as it is or misspelt."""
    if word in actions or other in actions:
        return word in actions and other not in actions
    is_similar = [bool(difflib.get_close_matches(name, actions, n=1)) for name in (word, other)]
    return is_similar == [True, False]


def _any_of(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
