"""`python -m pipeline CONFIG`: from logs to a student and its report; skips unchanged stages."""

from config.cli import (
    add_run_arguments,
    command_parser,
    load_arguments,
    parse_arguments,
    run_command,
)
from config.console import print


def main() -> int:
    """Runs all stages that are not up to date, in order."""
    parser = command_parser("pipeline", "From logs to a student without the prompt, and a report.")
    parser.add_argument("--dry-run", action="store_true", help="print what a run would do")
    parser.add_argument("--rows", action="store_true", help="with --dry-run: a line per row")
    parser.add_argument(
        "--verbose", action="store_true", help="with --dry-run: settings and preflight too"
    )
    add_run_arguments(parser)
    arguments = parse_arguments(parser)
    config = load_arguments(arguments)
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
