"""`python -m report CONFIG`: what a run found, as a page, as Markdown and as numbers."""

from typing import TYPE_CHECKING

from config.cli import add_run_arguments, command_parser, load_arguments, run_command

if TYPE_CHECKING:  # heavy: imported by the action, so `--help` is fast
    from config.schema import Config


def main() -> int:
    """Writes report.html, report.md, report.json and the best student's model card."""
    parser = command_parser("report", "Writes the report of a run from the files in its folder.")
    add_run_arguments(parser)
    write_report(load_arguments(parser.parse_args()))
    return 0


def write_report(config: "Config") -> None:
    """Writes all its files. Raises DataError when the disk is full; each file is old or new."""
    from data.atomic_write import write_text
    from report.card import write_card
    from report.gather import gather
    from report.numbers import make_numbers
    from report.render import render_html, render_markdown

    material = gather(config)
    numbers, run = make_numbers(material), material.run
    write_text(run.report("json"), numbers.model_dump_json(indent=1) + "\n")
    write_text(run.report("md"), render_markdown(material, numbers))
    write_text(run.report("html"), render_html(material, numbers))
    write_card(material, numbers)
    print(numbers.headline)
    if numbers.not_run:
        print(f"not run: {', '.join(numbers.not_run)}")
    print(f"report: {run.report('html')}")


if __name__ == "__main__":
    run_command(main)
