"""`unprompted demo`: the demo's experiment, from any folder."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from config.checkout import ROOT
from config.cli import add_run_arguments, load_arguments, parse_arguments
from config.command_parser import CommandParser, plain_parser
from config.console import print

_MINUTES = {"demo": 27, "demo-quick": 3}  # measured on two cores with bfloat16


def demo_parser() -> CommandParser:
    """The parser of `unprompted demo`."""
    parser = plain_parser(
        "demo",
        "Trains and judges a student of an invented university's prompt, on two CPU cores.",
        "--quick",
        "",
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer rows and one student; the numbers are rough"
    )
    add_run_arguments(parser)
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Runs the demo in the current folder; returns the exit code of the run."""
    arguments = parse_arguments(demo_parser(), words)
    name = "demo-quick" if arguments.quick else "demo"
    arguments.config = ROOT / "config" / f"{name}.yaml"
    arguments.overrides[:0] = packaged_files(arguments.config)
    config = load_arguments(arguments)
    print(f"{name}: about {_MINUTES[name]} min on two CPU cores; the report comes at the end")
    from pipeline.run_stages import run_stages

    return run_stages(config, arguments.accept_changes)


def packaged_files(config: Path) -> list[str]:
    """Overrides that give the demo's files by their whole path, for a folder without them."""
    from config.load import load_config

    if Path.cwd().resolve() == ROOT:
        return []
    return list(_path_overrides(load_config(config).model_dump(mode="json")))


def _path_overrides(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _path_overrides(value, f"{prefix}{key}.")
        elif isinstance(value, str) and "/" in value and (ROOT / value).is_file():
            yield f"{prefix}{key}={json.dumps(str(ROOT / value))}"
