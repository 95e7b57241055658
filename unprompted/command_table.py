"""The commands of `unprompted`, in groups; each imports its room only when it runs."""

import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

from config.checkout import checkout_commit
from config.command_parser import CommandParser
from config.console import print
from config.errors import UsageError

SHELLS = ("bash", "zsh", "tcsh")


@dataclass(frozen=True)
class Command:
    """One command. Its module has `main(words)` and `NAME_parser()`."""

    name: str
    text: str
    module: str

    def run(self, words: Sequence[str]) -> int:
        """Runs the command on the words after its name; returns its exit code."""
        main: Callable[[Sequence[str]], int] = self._attribute("main")
        return main(words)

    def make_parser(self) -> CommandParser:
        """The command's parser, for completion."""
        make: Callable[[], CommandParser] = self._attribute(f"{self.name}_parser")
        return make()

    def _attribute(self, name: str) -> Any:
        return getattr(import_module(self.module), name)


GROUPS = {
    "start": (
        Command("init", "write an experiment from a prompt and logs", "pipeline.init.init"),
        Command("doctor", "what this machine can run, what is missing", "pipeline.doctor.doctor"),
        Command("demo", "the whole way on an invented university's logs", "pipeline.demo"),
    ),
    "one run": (
        Command("run", "from logs to a student and its report", "pipeline.__main__"),
        Command("show", "the result of a run in the terminal", "pipeline.show"),
        Command("chat", "talk to the best student", "student.chat"),
        Command("report", "write the report of a run again", "report.__main__"),
    ),
    "share": (
        Command("serve", "the best student for OpenAI clients", "serving.serve"),
        Command("push", "upload the best student to the Hugging Face hub", "pipeline.push_command"),
        Command("export", "the answers as a dataset of chat messages", "pipeline.export_command"),
    ),
    "single stages": (
        Command("teacher", "sample the prompted model, select answers", "teacher.__main__"),
        Command("student", "train students, answer with them", "student.__main__"),
        Command("judge", "score, calibrate, gate, label, compare", "judge.__main__"),
    ),
}
COMMANDS = {command.name: command for group in GROUPS.values() for command in group}
_EXAMPLES = """examples:
  unprompted demo --quick
  unprompted init --prompt prompt.txt --logs logs.jsonl
  unprompted run my.yaml --dry-run
  unprompted run my.yaml teacher.candidates=8
  unprompted judge my.yaml score

`unprompted COMMAND --help` explains a command."""


def run_words(words: Sequence[str]) -> int:
    """Runs the command that the first word names. Raises UsageError when there is none."""
    name, rest = (words[0], words[1:]) if words else ("--help", ())
    if name in COMMANDS:
        return COMMANDS[name].run(rest)
    if name in ("-h", "--help", "help"):
        front_parser().print_help()
    elif name in ("-V", "--version"):
        print(_version())
    elif name == "completion":
        _print_completion(rest)
    else:
        raise UsageError(f"there is no command {name!r}; {_way_out(words)}")
    return 0


def _way_out(words: Sequence[str]) -> str:
    """What to type where the first word is no command."""
    similar = difflib.get_close_matches(words[0], [*COMMANDS, "completion"], n=1)
    if similar:
        return f"did you mean {similar[0]!r}?"
    later = next((word for word in words if word in COMMANDS), None)
    return f"write {later!r} first" if later else "see `unprompted --help`"


def front_parser() -> CommandParser:
    """A parser that only shows the help of all commands, by group."""
    parser = CommandParser(
        prog="unprompted",
        usage="unprompted COMMAND [CONFIG] [options] [key.path=value …]",
        description="A model that follows its system prompt without being sent it.",
        epilog=_EXAMPLES,
    )
    for title, commands in GROUPS.items():
        group = parser.add_argument_group(title)
        for command in commands:
            group.add_argument(command.name, help=command.text)
    other = parser.add_argument_group("other")
    other.add_argument("completion", help=f"print completions for a shell: {', '.join(SHELLS)}")
    parser.add_argument("-V", "--version", action="store_true", help="show the version and exit")
    return parser


def _version() -> str:
    commit = checkout_commit()
    return f"unprompted {version('unprompted')}" + ("" if commit == "unknown" else f" ({commit})")


def _print_completion(words: Sequence[str]) -> None:
    import shtab

    if len(words) != 1 or words[0] not in SHELLS:
        raise UsageError(
            f"unprompted completion: name one shell of {', '.join(SHELLS)}; for example "
            '`eval "$(unprompted completion bash)"`'
        )
    parser = CommandParser(prog="unprompted")
    actions = parser.add_subparsers()
    for name, command in COMMANDS.items():
        actions.add_parser(name, help=command.text, parents=[command.make_parser()], add_help=False)
    sys.stdout.write(shtab.complete(parser, words[0]))
