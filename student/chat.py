"""`unprompted chat CONFIG`: talks to the best student, which is not sent the prompt.

In a terminal the answers appear word by word, and earlier turns stay in the chat. Behind a pipe
each line is a question of its own, and each answer a line.
"""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from config.cli import load_arguments, parse_arguments
from config.command_parser import CommandParser, command_parser
from config.console import print
from config.errors import DataError

if TYPE_CHECKING:  # heavy: imported by the action, so `--help` is fast
    from student.chat_model import ChatModel
    from student.chat_session import ChatSession

_COMMANDS = """\
in the chat:
  /context TEXT      adds a passage to the next question
  /tag NAME=VALUE    sets a tag of the user turn, where prompt.tags names some
  /reset             forgets the earlier turns
  /quit              ends, as Ctrl-C and Ctrl-D do
"""
_MISSPELT = re.compile(r"/[a-z]+(\s|$)")  # /etc/hosts and 1/2 begin no command


def chat_parser() -> CommandParser:
    """The parser of `unprompted chat`."""
    parser = command_parser(
        "chat",
        "Talks to the best student of a run, without the prompt. Behind a pipe each line is a "
        "question and each answer a line.",
        "my.yaml",
        "my.yaml --arm teacher",
        "my.yaml < questions.txt",
    )
    parser.epilog = f"{_COMMANDS}\n{parser.epilog}"
    parser.add_argument(
        "--arm",
        metavar="ARM",
        help="student/NAME, base, or teacher (with the prompt); default: the best student",
    )
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Talks until the input ends. Raises ConfigError for an unknown arm, DataError where there is
    no trained student, and loading errors."""
    arguments = parse_arguments(chat_parser(), words)
    config = load_arguments(arguments)
    from data.run_paths import RunPaths

    arm = arguments.arm or f"student/{RunPaths.of(config).best_student()}"
    from student.chat_model import open_chat_model
    from student.chat_session import ChatSession

    session = ChatSession(config, prompted=arm == "teacher")
    model = open_chat_model(config, arm)
    try:
        if sys.stdin.isatty():
            prompt = "with the prompt" if arm == "teacher" else "without the prompt"
            print(f"{arm} of {config.name}, {prompt} ({model.place}); /quit ends\n{_COMMANDS}")
            talk(model, session, _read_line)
        else:
            answer_lines(model, session, sys.stdin)
    except (EOFError, KeyboardInterrupt):
        print(file=sys.stderr)
    except UnicodeDecodeError as error:
        raise DataError(f"standard input: {error.reason}; questions are read as UTF-8") from None
    return 0


def talk(model: "ChatModel", session: "ChatSession", read_line: Callable[[], str]) -> None:
    """Answers in a terminal until `read_line` raises EOFError or the user quits."""

    def show(text: str) -> None:
        print(text, end="", flush=True)

    while True:
        line = read_line().strip()
        try:
            if not line or _is_command(line, session):
                continue
            if _MISSPELT.match(line):
                print(f"no such command: {line.split()[0]}\n{_COMMANDS}")
                continue
            question = session.ask(line)
        except DataError as error:
            print(error)
            continue
        if question.dropped:
            print(f"({question.dropped} passages do not fit model.max_length and are left out)")
        completion = model.answer(question.request, show)
        print("" if completion.finish == "stop" else " … (cut at predict.sampling.max_tokens)")
        session.add_answer(question, completion.text)


def answer_lines(model: "ChatModel", session: "ChatSession", lines: Iterable[str]) -> None:
    """Prints an answer per line, each without the turns before it; an empty line has an empty one.

    Line breaks within an answer are written as \\n. Notes go to standard error.
    """
    for number, line in enumerate(lines, 1):
        line = line.removeprefix("\ufeff").strip()
        try:
            if _is_command(line, session):
                continue
            question = session.ask(line) if line else None
        except DataError as error:
            raise DataError(f"line {number}: {error}") from None
        if question is None:
            print()
            continue
        if question.dropped:
            note = f"line {number}: {question.dropped} passages do not fit and are left out"
            print(note, file=sys.stderr)
        completion = model.answer(question.request, lambda text: None)
        if completion.finish != "stop":
            note = f"line {number}: cut at predict.sampling.max_tokens"
            print(note, file=sys.stderr)
        print(completion.text.replace("\\", "\\\\").replace("\n", "\\n"), flush=True)


def _is_command(line: str, session: "ChatSession") -> bool:
    """Carries out a line that is a command. Raises EOFError to end, DataError for a mistake."""
    name, _, text = line.partition(" ")
    text = text.strip()
    if name == "/quit":
        raise EOFError
    if name == "/reset":
        session.reset()
    elif name == "/context":
        if not text:
            raise DataError("/context: no text; write the passage behind it")
        session.add_context(text)
    elif name == "/tag":
        tag, sign, value = text.partition("=")
        if not sign:
            raise DataError(f"/tag {text}: write it as /tag NAME=VALUE")
        session.set_tag(tag.strip(), value.strip())
    else:
        return False
    return True


def _read_line() -> str:
    with suppress(ImportError):  # not on Windows
        import readline  # noqa: F401  # input() then has a history and can be edited

    return input("> ")
