"""`unprompted teacher CONFIG probes|generate|merge|select|prepare|collect`."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from config.cli import add_run_arguments, load_arguments, parse_arguments, run_command
from config.command_parser import CommandParser, command_parser
from config.errors import ConfigError

if TYPE_CHECKING:  # heavy: each action imports only what it runs, so `--help` is fast
    from config.schema import Config
    from teacher.generate import TeacherModels


def teacher_parser() -> CommandParser:
    """The parser of `unprompted teacher`."""
    parser = command_parser(
        "teacher",
        "Samples the prompted model and selects answers to learn.",
        "my.yaml generate",
        "my.yaml generate --shard 1/8",
        "my.yaml select",
    )
    actions = parser.add_actions(
        {
            "probes": "make rows for rules with little coverage in the logs",
            "generate": "sample the prompted model",
            "merge": "join the files of the shards",
            "select": "choose answers by the rules and write audit.json",
            "prepare": "write batch files of unanswered requests",
            "collect": "generate from the results of batch files",
        }
    )
    actions["generate"].add_argument(
        "--shard", metavar="I/N", help="only shard I of N of the rows, 1/N to N/N"
    )
    parser.set_defaults(shard=None)
    for action in actions.values():
        add_run_arguments(action)
    return parser


def main(
    words: Sequence[str] | None = None,
    make_models: "Callable[[Config], TeacherModels] | None" = None,
) -> int:
    """Runs one action of the teacher. `make_models`: replaces the engines in tests."""
    arguments = parse_arguments(teacher_parser(), words)
    config = load_arguments(arguments)
    _check(config, arguments.action, arguments.shard)
    from data.file_lock import claim
    from data.run_paths import RunPaths

    # shards write files of their own, so that they may run side by side
    part = "teacher" if arguments.shard is None else _shard_part(arguments.shard)
    with claim(RunPaths.of(config).root, part):
        _run_action(config, arguments, make_models)
    return 0


def _shard_part(shard: str) -> str:
    from data.shards import parse_shard

    return f"teacher{parse_shard(shard).suffix}"


def _run_action(
    config: "Config",
    arguments: Namespace,
    make_models: "Callable[[Config], TeacherModels] | None",
) -> None:
    from data.run_paths import RunPaths
    from student.preflight import preflight
    from teacher import commands

    if _asks(config, arguments.action):
        RunPaths.of(config).check_prepared()
        if arguments.action == "collect":
            commands.check_results(config)
        preflight(config)

    make_models = make_models or commands.teacher_models
    if arguments.action == "probes":
        commands.run_probes(config, arguments.accept_changes)
    elif arguments.action == "merge":
        commands.run_merge(config, make_models(config).engine.identity)
    elif arguments.action == "select":
        commands.run_select(config)
    elif arguments.action == "prepare":
        commands.run_prepare(config)
    else:
        commands.run_generate(
            config, make_models(config), arguments.accept_changes, arguments.shard
        )


def _asks(config: "Config", action: str) -> bool:
    """Whether an action asks a model, or writes requests for one."""
    if action == "probes":
        return config.probes is not None and config.probes.generate_questions
    return action in ("generate", "prepare", "collect")


def _check(config: "Config", action: str, shard: str | None) -> None:
    """Raises ConfigError for arguments and settings that exclude each other."""
    if action in ("prepare", "collect") and config.teacher.engine.kind != "batch":
        raise ConfigError(
            f"{action} needs batch files, but teacher.engine is {config.teacher.engine.kind}; run "
            "generate, or set teacher.engine: {kind: batch, model: …}"
        )
    if shard and config.teacher.score_with_llm:
        raise ConfigError(
            f"--shard {shard}: the judge's replies are in one file for all rows; "
            "set teacher.score_with_llm: false"
        )


if __name__ == "__main__":
    run_command(main)
