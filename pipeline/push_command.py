"""`unprompted push CONFIG REPO_ID`: the best student to the Hugging Face hub."""

from collections.abc import Sequence

from config.cli import load_arguments, parse_arguments
from config.command_parser import CommandParser, command_parser


def push_parser() -> CommandParser:
    """The parser of `unprompted push`."""
    parser = command_parser(
        "push",
        "Uploads the best student with its model card to the Hugging Face hub, in one commit. A "
        "new repository is private. The token is HF_TOKEN's, or that of `hf auth login`.",
        "my.yaml me/desk-lora",
    )
    parser.add_argument("repo_id", metavar="REPO_ID", help="the repository: OWNER/NAME")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Uploads it. Raises as `push_best` does."""
    arguments = parse_arguments(push_parser(), words)
    config = load_arguments(arguments)
    from report.push import push_best

    push_best(config, arguments.repo_id)
    return 0
