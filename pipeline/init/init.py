"""`unprompted init`: writes an experiment from a prompt and logs; asks for what is not named."""

import sys
from collections.abc import Sequence
from pathlib import Path

from config.cli import parse_arguments
from config.command_parser import CommandParser, plain_parser
from config.errors import UsageError


def init_parser() -> CommandParser:
    """The parser of `unprompted init`."""
    parser = plain_parser(
        "init",
        "Writes prompt.yaml, draft rules and experiment.yaml from a prompt and logged questions. "
        "Asks for what is not named.",
        "--prompt prompt.txt --logs logs.jsonl",
        "--logs logs.jsonl",
        "--prompt prompt.md --logs logs/ --model Qwen/Qwen3-4B-Instruct-2507 --folder desk",
    )
    parser.add_argument(
        "--prompt",
        metavar="FILE",
        help="system prompt: text, Markdown or YAML; default: the one in the logs",
    )
    parser.add_argument(
        "--logs", metavar="PATH", help="logged questions: a file, a folder or a data set of the hub"
    )
    parser.add_argument("--model", metavar="NAME", help="base model: a hub id or a folder")
    parser.add_argument("--name", metavar="NAME", help="of the run; default: the folder's name")
    parser.add_argument(
        "--folder", metavar="DIR", type=Path, default=Path(), help="where to write; default: here"
    )
    judge = parser.add_argument_group("a server whose model drafts the rules, and judges later")
    judge.add_argument("--judge-url", metavar="URL", help="base address, usually ending in /v1")
    judge.add_argument("--judge-model", metavar="NAME", help="the model's name on the server")
    judge.add_argument(
        "--judge-key-env",
        metavar="VARIABLE",
        default="OPENAI_API_KEY",
        help="environment variable with its key; default: OPENAI_API_KEY",
    )
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Writes the files. Raises UsageError, ConfigError and DataError before it writes any."""
    arguments = parse_arguments(init_parser(), words)
    if arguments.overrides:
        raise UsageError(
            f"unprompted init: {arguments.overrides[0]!r}: there are no settings yet; edit "
            "experiment.yaml afterwards"
        )
    if arguments.logs is None:
        arguments.logs = _typed("Logged questions (a file or folder)")
        if not arguments.logs:
            raise UsageError("unprompted init: --logs is missing; see `unprompted init --help`")
        if arguments.prompt is None:
            arguments.prompt = (
                _typed("System prompt (a file; empty: it stands in the logs)") or None
            )
    from pipeline.init.write_experiment import NewExperiment, judge_server, write_experiment

    judge = judge_server(arguments.judge_url, arguments.judge_model, arguments.judge_key_env)
    write_experiment(
        NewExperiment(
            logs=arguments.logs,
            prompt=arguments.prompt,
            model=arguments.model,
            name=arguments.name,
            folder=arguments.folder,
            judge=judge,
        )
    )
    return 0


def _typed(question: str) -> str:
    """What the user types; empty where nobody can be asked."""
    return input(f"{question}: ").strip() if sys.stdin.isatty() else ""
