"""`unprompted report CONFIG`: writes the report of a run as HTML, Markdown and JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from config.cli import add_run_arguments, load_arguments, parse_arguments, run_command
from config.command_parser import CommandParser, command_parser
from config.console import print

if TYPE_CHECKING:  # heavy: imported by the action, so `--help` is fast
    from config.schema import Config


def report_parser() -> CommandParser:
    """The parser of `unprompted report`."""
    parser = command_parser(
        "report", "Writes the report of a run from the files in its folder.", "my.yaml"
    )
    add_run_arguments(parser)
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Writes report.html, report.md, report.json and the best student's model card."""
    config = load_arguments(parse_arguments(report_parser(), words))
    from data.file_lock import claim
    from data.run_paths import RunPaths

    with claim(RunPaths.of(config).root, "report", wait=True):  # a report takes seconds
        write_report(config)
    return 0


def write_report(config: "Config") -> None:
    """Writes all files.

    Raises DataError when nothing was run yet, and when the disk is full; each file is then old or
    new.
    """
    from config.errors import DataError
    from data.atomic_write import write_text
    from report.model_card import write_card
    from report.numbers import build_numbers
    from report.render import render_html, render_markdown
    from report.run_files import read_run

    material = read_run(config)
    numbers, run = build_numbers(material), material.run
    if not (material.audit or material.training or material.choice or material.judged):
        raise DataError(f"{run.root}: nothing to report yet; run `unprompted run CONFIG` first")
    write_text(run.report("json"), numbers.model_dump_json(indent=1) + "\n")
    write_text(run.report("md"), render_markdown(material, numbers))
    write_text(run.report("html"), render_html(material, numbers))
    if material.choice is not None and material.saved is not None:
        write_card(material, numbers)
    for doubt in numbers.doubts:
        print(f"warning: {doubt}")
    for reason in numbers.do_not_serve:
        print(f"do not serve this model: {reason.finding}")
    print(numbers.headline)
    if numbers.not_run:
        print(f"not run: {', '.join(numbers.not_run)}")
    print(f"report: {run.report('html')}")


if __name__ == "__main__":
    run_command(main)
