"""`unprompted COMMAND …`: puts the rooms on the import path of this process and runs a command.

In a checkout the rooms are the folders beside this package. In a wheel they lie in `rooms/`, so
that no module named `config` or `data` comes onto anybody's import path.
"""

import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def main() -> None:
    """Runs the command that the words name, and exits with its code."""
    packed = _PACKAGE / "rooms"
    sys.path.insert(0, str(packed if packed.is_dir() else _PACKAGE.parent))
    from config.cli import run_command
    from unprompted.command_table import run_words

    run_command(lambda: run_words(sys.argv[1:]))


if __name__ == "__main__":
    main()
