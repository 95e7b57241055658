"""`python -m judge CONFIG ACTION …`: what can be asked of the judge, an action each."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from config.cli import add_changes, parser, run_command
from config.load import load_config
from config.schema import Config
from judge import compare_runs, score
from judge.annotation import export, import_labels
from judge.calibration import calibrate
from judge.drafting import draft_rules
from judge.gate import command as gate


class Action(Protocol):
    """A module that does one thing."""

    ABOUT: str  # one line of --help

    def add_arguments(self, made: argparse.ArgumentParser) -> None:
        """Adds what only this action takes."""

    def run(self, config: Config, arguments: argparse.Namespace) -> int:
        """Does it; returns the exit code."""


COMPARE = "python -m judge compare"
ACTIONS: dict[str, Action] = {
    "score": score,
    "calibrate": calibrate,
    "draft-rules": draft_rules,
    "gate": gate,
    "export-for-labelling": export,
    "import-labels": import_labels,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one action and returns its exit code; `argv` None: the process's own arguments."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == ["compare"]:  # of many runs: there is no one CONFIG
        return _compare(words[1:])
    made = parser("judge", "Scores answers by the rules, and says how far the scores hold.")
    made.epilog = f"without CONFIG: {COMPARE} RUN…  {compare_runs.ABOUT}"
    actions = made.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, module in ACTIONS.items():
        action = actions.add_parser(name, help=module.ABOUT, description=module.ABOUT)
        module.add_arguments(action)
        add_changes(action)
    arguments = made.parse_args(words)
    config = load_config(Path(arguments.config), arguments.overrides)
    return ACTIONS[arguments.action].run(config, arguments)


def _compare(words: Sequence[str]) -> int:
    made = argparse.ArgumentParser(prog=COMPARE, description=compare_runs.ABOUT)
    compare_runs.add_arguments(made)
    return compare_runs.run(made.parse_args(words))


if __name__ == "__main__":
    run_command(main)
