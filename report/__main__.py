"""`python -m report CONFIG`: what a run found, as a page, as Markdown and as numbers."""

from pathlib import Path

from config.cli import add_changes, parser, run_command
from config.load import load_config
from config.schema import Config
from data.atomic_write import write_text
from report.card import write_card
from report.gather import gather
from report.numbers import make_numbers
from report.render import render_html, render_markdown


def main() -> int:
    """Writes report.html, report.md, report.json and the best student's model card."""
    made = parser("report", "Writes the report of a run from what its folder holds.")
    add_changes(made)
    arguments = made.parse_args()
    write_report(load_config(Path(arguments.config), arguments.overrides))
    return 0


def write_report(config: Config) -> None:
    """Writes all its files. Raises DataError when the disk is full; each file is old or new."""
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
