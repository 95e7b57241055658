"""What every command shares: arguments, one-line errors, exit codes, ends on SIGTERM and Ctrl-C.

Exit codes: 0 done · 1 a gate failed · 2 the user can fix it, shown in one line · 3 inconclusive ·
4 the judge is not calibrated · 70 a fault of the program, with a traceback · 128 + n signal n.
Light on purpose: `--help` imports no heavy package, so `load_arguments` imports the settings.
"""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from config.command_parser import CommandParser
from config.command_words import CommandWords
from config.console import print
from config.errors import UnpromptedError, UsageError, system_way_out

if TYPE_CHECKING:
    from config.schema import Config

USER_CODE = UnpromptedError.exit_code
FAULT_CODE = 70  # EX_SOFTWARE of sysexits.h; Python's own 1 would read as a failed gate


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of every command that writes into a run."""
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="continue a run whose settings have changed; outputs that depend on them are redone",
    )


def parse_arguments(
    parser: CommandParser, words: Sequence[str] | None = None
) -> argparse.Namespace:
    """The arguments in `words`, or the process's own, with the overrides in `overrides`.

    Overrides and options may stand anywhere, and CONFIG before or after the action. Raises
    UsageError for words that the parser does not know, and where CONFIG or the action is missing.
    """
    command_words = CommandWords.of(parser, sys.argv[1:] if words is None else words)
    arguments, unknown = parser.parse_known_args(command_words.ordered())
    if unknown:
        raise UsageError(parser.unknown_words(unknown))
    arguments.overrides = list(command_words.overrides)
    return arguments


def load_arguments(arguments: argparse.Namespace) -> "Config":
    """The experiment that the arguments name. Raises ConfigError as `load_config` does."""
    from config.load import load_config  # pydantic

    return load_config(Path(arguments.config), arguments.overrides)


def run_command(main: Callable[[], int]) -> NoReturn:
    """Runs a command and exits with its code, or with the code of the error that ended it."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        code = main()
        if sys.stdout is not None:
            sys.stdout.flush()  # else Python ends with 120 where the output cannot be written
    except UnpromptedError as error:
        for line in error.lines:
            print(f"error: {line}", file=sys.stderr)
        code = error.exit_code
    except SystemExit as end:
        code = _exit_code(end)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        code = 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of our output has closed it
        _discard_output()
        code = 128 + signal.SIGPIPE
    except BaseException as error:
        code = _report_fault(error)
    sys.exit(code)


def _exit_code(end: SystemExit) -> int:
    """The code of an exit that is not the command's result: of argparse, a signal or a library."""
    if end.code is None or (isinstance(end.code, int) and end.code != 1):
        return end.code or 0
    return _report_fault(end)  # a library gave up; 1 would read as a failed gate


def _discard_output() -> None:
    """What is left in the buffer would fail again when Python ends, which then exits with 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_fault(error: BaseException) -> int:
    """Prints one line for what a user can fix about a file, else the traceback; the exit code."""
    way_out = system_way_out(error)
    if isinstance(error, OSError) and way_out is not None:
        place = f"{error.filename}: " if error.filename is not None else ""
        print(f"error: {place}{error.strerror}; {way_out}", file=sys.stderr)
        if error.filename is None:  # it may be of the output, whose buffer is written once more
            _discard_output()
        return USER_CODE
    print("a fault of the program, not yours; please report these lines:", file=sys.stderr)
    print("".join(traceback.format_exception(error)), end="", file=sys.stderr)
    return FAULT_CODE
