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
    from data.run_paths import RunPaths
    from prompts.chat_dataset import SPLITS, export_dataset

    chats = export_dataset(config, Path(), arguments.folder)
    run = RunPaths.of(config)
    for name, split in SPLITS.items():
        rows = sum(1 for _ in run.iter_rows(split))
        print(
            f"{arguments.folder}: {name}, {chats.get(name, 0)} chats of {rows} rows (a row without "
            "an answer has none)"
        )
    return 0
