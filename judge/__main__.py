"""`python -m judge CONFIG ACTION …`: what can be asked of the judge, an action each."""

import argparse
from pathlib import Path
from typing import Protocol

from config.command import add_changes, parser, run_command
from config.load import load_config
from config.schema import Config
from judge import scoring
from judge.calibration import calibrate, exporting, importing


class Action(Protocol):
    """A module that does one thing."""

    ABOUT: str  # one line of --help

    def add_arguments(self, made: argparse.ArgumentParser) -> None:
        """Adds what only this action takes."""

    def run(self, config: Config, arguments: argparse.Namespace) -> int:
        """Does it; returns the exit code."""


ACTIONS: dict[str, Action] = {
    "score": scoring,
    "calibrate": calibrate,
    "export-for-labelling": exporting,
    "import-labels": importing,
}


def main() -> int:
    """Runs one action and returns its exit code."""
    made = parser("judge", "Scores answers by the rules, and says how far the scores hold.")
    actions = made.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, module in ACTIONS.items():
        action = actions.add_parser(name, help=module.ABOUT, description=module.ABOUT)
        module.add_arguments(action)
        add_changes(action)
    arguments = made.parse_args()
    config = load_config(Path(arguments.config), arguments.overrides)
    return ACTIONS[arguments.action].run(config, arguments)


if __name__ == "__main__":
    run_command(main)
