"""`python -m teacher CONFIG generate|merge|select`: the prompted model's candidates, the choice."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from config.command import add_changes, parser, run_command
from config.errors import ConfigError
from config.load import load_config
from config.schema import Config
from data.shards import WHOLE, Part, read_shard
from prompts.library import load_prompt
from teacher.audit import audit
from teacher.select import select_all

if TYPE_CHECKING:
    from engine.protocol import Engine  # heavy: `select` must not wait for it


def main(make_engine: Callable[[Config], "Engine"] | None = None) -> int:
    """Runs one action of the teacher, with the engine that the settings name or another one."""
    made = parser("teacher", "The prompted model's answers, and the choice of those to learn.")
    made.add_argument(
        "action",
        choices=("generate", "merge", "select"),
        help="generate: ask the prompted model; merge: join what its shards have written; "
        "select: choose by the code rules, write audit.json",
    )
    made.add_argument(
        "--shard", metavar="I/N", help="generate: only part I of N of the rows, 1/N to N/N"
    )
    add_changes(made)
    arguments = made.parse_intermixed_args()  # settings may come behind an option
    config = load_config(Path(arguments.config), arguments.overrides)
    if arguments.shard is not None and arguments.action != "generate":
        raise ConfigError(f"--shard {arguments.shard}: only `generate` does a part of the rows")
    if arguments.action == "generate":
        part = WHOLE if arguments.shard is None else read_shard(arguments.shard)
        _generate(config, (make_engine or vllm_engine)(config), arguments.accept_changes, part)
    elif arguments.action == "merge":
        _merge(config)
    else:
        _select(config)
    return 0


def vllm_engine(config: Config) -> "Engine":
    """The engine of the experiment's base model, not started."""
    from engine.vllm import VllmEngine  # heavy: only where it is used

    return VllmEngine(config.model.name, config.model.max_length)


def _generate(config: Config, engine: "Engine", accept_changes: bool, part: Part) -> None:
    from teacher.generate import generate

    try:
        for arm, done in generate(config, engine, accept_changes, part).items():
            print(
                f"{arm + part.suffix}: {done.asked} asked, {done.reused} reused, "
                f"{done.too_long} too long, {done.cut} cut"
            )
    finally:
        engine.close()


def _merge(config: Config) -> None:
    from teacher.merge import merge  # heavy: only where it is used

    for arm, done in merge(config).items():
        print(
            f"{arm}: {done.answers} answers from {done.shards} shards, none missing; "
            f"{done.too_long} too long, {done.left_out} no longer wanted"
        )


def _select(config: Config) -> None:
    prompt, rules = load_prompt(config.prompt, Path())
    selection = select_all(config, prompt, rules)
    for split, done in selection.items():
        print(
            f"{split}: {done.kept} answers kept for {done.rows_kept} of {done.rows} rows, "
            f"out of {done.candidates} candidates"
        )
    ceiling = audit(config, prompt, rules, selection).strict
    if ceiling.first is not None and ceiling.any is not None:
        print(
            f"ceiling: the first candidate strict on {ceiling.first:.0%} of rows, "
            f"any on {ceiling.any:.0%}"
        )


if __name__ == "__main__":
    run_command(main)
