"""`unprompted student CONFIG train|predict|search`: trains students and runs them."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from config.cli import add_run_arguments, load_arguments, parse_arguments, run_command
from config.command_parser import CommandParser, command_parser
from config.console import print
from config.errors import ConfigError, DataError

if TYPE_CHECKING:  # heavy: each action imports only what it runs, so `--help` is fast
    from config.schema import Config


def student_parser() -> CommandParser:
    """The parser of `unprompted student`."""
    parser = command_parser(
        "student",
        "Trains students on selected answers and evaluates them.",
        "my.yaml train",
        "my.yaml train --student lora",
        "my.yaml predict",
    )
    actions = parser.add_actions(
        {
            "train": "train every student",
            "predict": "answer with every student, choose the best and save it",
            "search": "try hyperparameters",
        }
    )
    actions["train"].add_argument(
        "--student", metavar="NAME", help="train only the student of this name"
    )
    parser.set_defaults(student=None)
    for action in actions.values():
        add_run_arguments(action)
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Runs one action of the student."""
    arguments = parse_arguments(student_parser(), words)
    config = load_arguments(arguments)
    if arguments.action == "train":
        _train(config, arguments.student, arguments.accept_changes)
    elif arguments.action == "search":
        _search(config, arguments.accept_changes)
    else:
        _predict(config, arguments.accept_changes)
    return 0


def _train(config: "Config", name: str | None, accept_changes: bool) -> None:
    from data.file_lock import claim
    from data.run_paths import RunPaths
    from student.preflight import preflight
    from student.train import train

    names = [student.name for student in config.students]
    if name is not None and name not in names:
        raise ConfigError(f"--student {name}: no such student; the config has {', '.join(names)}")
    run = RunPaths.of(config)
    run.check_selected()
    students = [student for student in config.students if name in (None, student.name)]
    # of the processes of one training, which `torchrun` numbers, the first one writes
    writes = os.environ.get("RANK", "0") == "0"
    with claim(run.root, *(f"student/{student.name}" for student in students if writes)):
        preflight(config)
        for student in students:
            result = train(config, student, accept_changes)
            print(
                f"{student.name}: {result.steps} steps on {result.train_answers} answers in "
                f"{result.seconds:.0f} s; best after epoch {result.best_epoch:.3g}: strict "
                f"{result.strict}, by case {result.strict_by_case}, val loss {result.val_loss}"
            )


def _search(config: "Config", accept_changes: bool) -> None:
    from data.run_paths import RunPaths
    from student.search.results import leaderboard_lines
    from student.search.search import run_search

    result = run_search(config, accept_changes)
    print(*leaderboard_lines(result), sep="\n")
    if result.best is None:
        raise DataError(f"search: {result.why}")
    print(f"best: {result.best} ({result.why})")
    if result.winner_sentence is not None:
        print(result.winner_sentence)
    print(f"to use it: unprompted run {RunPaths.of(config).search.with_name('best.yaml')}")


def _predict(config: "Config", accept_changes: bool) -> None:
    from data.file_lock import claim
    from data.run_paths import RunPaths
    from student.predict import check_trained, open_engines, predict
    from student.preflight import preflight

    check_trained(config)
    with claim(RunPaths.of(config).root, "best"):
        preflight(config)
        with open_engines(config) as engines:
            choice = predict(config, engines, accept_changes)
    print(f"best: {choice.best} ({choice.why})")


if __name__ == "__main__":
    run_command(main)
