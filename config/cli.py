"""What every command shares: arguments, one-line errors, exit codes, ends on SIGTERM and Ctrl-C.

Light on purpose: `--help` imports no heavy package, so `load_arguments` imports the settings.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from config.errors import UnpromptedError

if TYPE_CHECKING:
    from config.schema import Config


def command_parser(room: str, description: str) -> argparse.ArgumentParser:
    """A parser of `python -m ROOM CONFIG …`; each room adds its own actions."""
    parser = argparse.ArgumentParser(prog=f"python -m {room}", description=description)
    parser.add_argument("config", metavar="CONFIG", help="YAML file of the experiment")
    return parser


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of every command that writes into a run."""
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings to override")
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="continue a run whose settings have changed; outputs that depend on them are redone",
    )


def load_arguments(arguments: argparse.Namespace) -> "Config":
    """The experiment that the arguments name. Raises ConfigError as `load_config` does."""
    from config.load import load_config  # pydantic

    return load_config(Path(arguments.config), arguments.overrides)


def run_command(main: Callable[[], int]) -> NoReturn:
    """Runs a command and exits: 2 with one line for a user's mistake, 143/130 on signals."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        code = main()
    except UnpromptedError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
