"""`unprompted run CONFIG`: from logs to a student and its report; skips unchanged stages."""

from collections.abc import Sequence
from pathlib import Path

from config.cli import add_run_arguments, load_arguments, parse_arguments, run_command
from config.command_parser import CommandParser, command_parser
from config.console import print
from config.errors import UsageError


def run_parser() -> CommandParser:
    """The parser of `unprompted run`."""
    parser = command_parser(
        "run",
        "From logs to a student without the prompt, and a report. Stages whose inputs have not "
        "changed are skipped; a run that was ended continues where it stopped.",
        "my.yaml --dry-run",
        "my.yaml",
        "my.yaml seed=1 name=mine-seed-1",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what a run would do")
    parser.add_argument("--rows", action="store_true", help="with --dry-run: a line per row")
    parser.add_argument(
        "--verbose", action="store_true", help="with --dry-run: settings and preflight too"
    )
    add_run_arguments(parser)
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Runs all stages that are not up to date, in order; `words` None: the process's own."""
    arguments = parse_arguments(run_parser(), words)
    if not arguments.dry_run and (arguments.rows or arguments.verbose):
        option = "--rows" if arguments.rows else "--verbose"
        raise UsageError(f"unprompted run: {option} is of the dry run; add --dry-run")
    config = load_arguments(arguments)
    from prompts.check_files import check_files

    check_files(config, Path(arguments.config), arguments.overrides)
    if arguments.dry_run:
        from pipeline.dryrun import dry_run

        print(dry_run(config, verbose=arguments.verbose, rows=arguments.rows))
        return 0
    from pipeline.run_stages import run_stages
    from student.requirements import check_requirements

    for warning in check_requirements(config):
        print(f"warning: {warning}")
    return run_stages(config, arguments.accept_changes)


if __name__ == "__main__":
    run_command(main)
