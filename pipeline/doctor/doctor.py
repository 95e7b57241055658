"""`unprompted doctor [CONFIG]`: checks the machine, and what an experiment needs, before a run.

Each line says ok, warning or problem, and the way out. Nothing is downloaded, loaded or asked of a
model. Exit code 0: a run can start; 2: something prevents it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from config.cli import USER_CODE, parse_arguments
from config.command_parser import CommandParser, plain_parser

if TYPE_CHECKING:  # heavy: imported by the action, so `--help` is fast
    from rich.table import Table

    from pipeline.doctor.finding import Finding

_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def doctor_parser() -> CommandParser:
    """The parser of `unprompted doctor`."""
    parser = plain_parser(
        "doctor", "Checks this machine, and what the settings of an experiment need.", "", "my.yaml"
    )
    parser.add_argument("config", metavar="CONFIG", nargs="?", help="YAML file of the experiment")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Prints the findings; 2 where one of them is a problem."""
    arguments = parse_arguments(doctor_parser(), words)
    from config.terminal import open_terminal, safe_text

    findings = _findings(arguments.config, arguments.overrides)
    terminal = open_terminal()
    terminal.print(_table(findings))
    counts = Counter[str](finding.level for finding in findings)
    if counts["problem"]:
        summary, style = f"{_counted(counts, 'problem')}: a run cannot start like this.", "bold red"
    elif arguments.config is None:
        summary, style = "The demo can run here: `unprompted demo`.", "green"
    else:
        summary, style = f"`unprompted run {arguments.config}` can start.", "green"
    note = f" {_counted(counts, 'warning')}." if counts["warning"] else ""
    terminal.print(safe_text(summary + note, style))
    return USER_CODE if counts["problem"] else 0


def _counted(counts: Mapping[str, int], level: str) -> str:
    return f"{counts[level]} {level}{'s' * (counts[level] != 1)}"


def _findings(path: str | None, overrides: Sequence[str]) -> list["Finding"]:
    """All findings; where a package is missing, those about the packages alone."""
    from pipeline.doctor.finding import Finding
    from pipeline.doctor.packages import list_packages

    of_packages = list_packages()
    try:
        from pipeline.doctor.examine import examine
    except ImportError as error:
        text = f"cannot be imported ({error}), so nothing else is checked"
        return [*of_packages, Finding("problem", error.name or "import", text, "set up again")]
    return [*of_packages, *examine(path, overrides)]


def _table(findings: Iterable["Finding"]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    from config.terminal import safe_text

    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for level, subject, text, way_out in findings:
        lines = safe_text(text)
        if way_out:
            lines = Text.assemble(lines, safe_text(f"\n→ {way_out}", "dim"))
        table.add_row(Text(level, _STYLES[level]), safe_text(subject), lines)
    return table
