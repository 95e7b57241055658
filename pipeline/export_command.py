"""`unprompted export CONFIG DIR`: the answers of a run as a dataset of chat messages."""

from collections.abc import Sequence
from pathlib import Path

from config.cli import load_arguments, parse_arguments
from config.command_parser import CommandParser, command_parser
from config.console import print


def export_parser() -> CommandParser:
    """The parser of `unprompted export`."""
    parser = command_parser(
        "export",
        "Writes the selected answers, or the logged ones before anything is selected, as a "
        "Hugging Face dataset of chat messages without the system prompt.",
        "my.yaml desk-dataset",
    )
    parser.add_argument(
        "folder",
        metavar="DIR",
        type=Path,
        help="where to write; for `datasets.load_from_disk`",
    )
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Writes the dataset. Raises as `export_dataset` does."""
    arguments = parse_arguments(export_parser(), words)
    config = load_arguments(arguments)
    from prompts.chat_dataset import export_dataset

    rows = export_dataset(config, Path(), arguments.folder)
    counts = ", ".join(f"{split} {count}" for split, count in rows.items())
    print(f"{arguments.folder}: {counts} rows")
    return 0
