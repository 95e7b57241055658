"""`unprompted show CONFIG`: what a run has found; of a run under way, how far it is.

The judge has measured everything that is shown; the views are `report.show_run` and
the other files `report.show_*`.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from config.cli import load_arguments, parse_arguments
from config.command_parser import CommandParser, command_parser

if TYPE_CHECKING:  # heavy: imported by the action, so `--help` is fast
    from rich.table import Table

    from config.schema import Config
    from pipeline.stage_stamp import StageState
    from report.run_files import RunFiles


def show_parser() -> CommandParser:
    """The parser of `unprompted show`."""
    parser = command_parser(
        "show",
        "Shows what a run has found, or how far it is.",
        "my.yaml",
        "my.yaml --rule opening",
        "my.yaml --row val-0007",
    )
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--row", metavar="ID", help="one row with the answers of all arms")
    part.add_argument("--rule", metavar="ID", help="the rows on which the best student breaks it")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Shows the run. Raises DataError for a row or rule that it does not have."""
    arguments = parse_arguments(show_parser(), words)
    config = load_arguments(arguments)
    from config.terminal import open_terminal
    from report.run_files import read_run
    from report.show_row import view_row
    from report.show_rule import view_rule

    material, terminal = read_run(config), open_terminal()
    if arguments.row is not None:
        terminal.print(view_row(material, arguments.row))
    elif arguments.rule is not None:
        terminal.print(view_rule(material, arguments.rule))
    else:
        show_run(config, material, shlex.join([arguments.config, *arguments.overrides]))
    return 0


def show_run(config: "Config", material: "RunFiles", settings: str) -> None:
    """Prints the stages of a run that has not ended or is outdated, and what has been found.

    `settings`: their path and overrides, for the commands that are printed.
    """
    from config.terminal import open_terminal, safe_text
    from pipeline.stage_stamp import stage_seconds, stage_state
    from pipeline.stages import pipeline_stages
    from report.show_run import view_run

    commit = str((material.manifest or {}).get("git", ""))  # a later commit makes nothing outdated
    run, stages, terminal = material.run, pipeline_stages(config, commit), open_terminal()
    states = {stage.name: stage_state(run, stage, config) for stage in stages}
    waiting = [name for name, state in states.items() if state != "done"]
    judged = material.judged is not None and material.choice is not None
    terminal.print(safe_text(config.name, "bold"), safe_text(run.root, "dim"))
    if waiting and not (judged and set(states.values()) <= {"done", "begun"}):
        terminal.print(_stage_table(states, stage_seconds(run, stages)))
        terminal.print(safe_text(f"next: {waiting[0]}; run `unprompted run {settings}`", "bold"))
    if not judged:
        return
    if "outdated" in states.values():
        note = "Settings or files have changed since: these numbers are of before the change."
        terminal.print(safe_text(f"\n{note}", "yellow"))
    terminal.print()
    terminal.print(view_run(material))
    terminal.print(safe_text(f"\nrows that break a rule:  unprompted show {settings} --rule ID"))
    terminal.print(safe_text(f"one row:                 unprompted show {settings} --row ID"))
    terminal.print(safe_text(f"ask the student:         unprompted chat {settings}"))


def _stage_table(states: "Mapping[str, StageState]", seconds: Mapping[str, float]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from report.formats import duration

    styles = {"done": "green", "begun": "yellow", "outdated": "yellow", "not run": "dim"}
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("stage", "state", "time"):
        table.add_column(heading)
    for name, state in states.items():
        spent = duration(seconds[name]) if name in seconds else ""
        table.add_row(name, Text(state, styles[state]), spent)
    return table
