"""What every command shares: arguments, one-line errors, exit codes, ends on SIGTERM and Ctrl-C."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from config.errors import UnpromptedError


def parser(room: str, about: str) -> argparse.ArgumentParser:
    """A parser of `python -m ROOM CONFIG …`; each room adds its own actions."""
    made = argparse.ArgumentParser(prog=f"python -m {room}", description=about)
    made.add_argument("config", metavar="CONFIG", help="YAML file of the experiment")
    return made


def add_changes(made: argparse.ArgumentParser) -> None:
    """Adds what every command takes that writes into a run."""
    made.add_argument("overrides", nargs="*", metavar="key=value", help="settings to override")
    made.add_argument(
        "--accept-changes",
        action="store_true",
        help="go on in a run whose settings have changed: what they change is made again",
    )


def run_command(main: Callable[[], int]) -> NoReturn:
    """Runs a command and exits: 2 with one line for what a user can mend, 143/130 on signals."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = main()
    except UnpromptedError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
