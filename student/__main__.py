"""`python -m student CONFIG train|predict|search`: learn the answers, then give them unprompted."""

from typing import TYPE_CHECKING

from config.cli import add_run_arguments, command_parser, load_arguments, run_command
from config.errors import ConfigError, DataError

if TYPE_CHECKING:  # heavy: each action imports only what it runs, so `--help` is fast
    from config.schema import Config


def main() -> int:
    """Runs one action of the student."""
    parser = command_parser("student", "Trains students on selected answers and evaluates them.")
    parser.add_argument("action", choices=("train", "predict", "search"))
    parser.add_argument("--student", help="train only the student of this name")
    add_run_arguments(parser)
    arguments = parser.parse_args()
    config = load_arguments(arguments)
    if arguments.action == "train":
        _train(config, arguments.student, arguments.accept_changes)
    elif arguments.action == "search":
        _search(config, arguments.accept_changes)
    else:
        _predict(config, arguments.accept_changes)
    return 0


def _train(config: "Config", name: str | None, accept_changes: bool) -> None:
    from student.train import train

    names = [student.name for student in config.students]
    if name is not None and name not in names:
        raise ConfigError(f"--student {name}: no such student; the config has {', '.join(names)}")
    for student in config.students:
        if name in (None, student.name):
            result = train(config, student, accept_changes)
            print(
                f"{student.name}: {result.steps} steps on {result.train_answers} answers in "
                f"{result.seconds:.0f} s; best epoch {result.best_epoch:g}, "
                f"strict {result.strict}, val loss {result.val_loss}"
            )


def _search(config: "Config", accept_changes: bool) -> None:
    from data.run_paths import RunPaths
    from student.search.results import table
    from student.search.search import search

    found = search(config, accept_changes)
    print(table(found))
    if found.best is None:
        raise DataError(f"search: {found.why}")
    print(f"best: {found.best} ({found.why})")
    print(f"next: python -m pipeline {RunPaths.of(config).search.with_name('best.yaml')}")


def _predict(config: "Config", accept_changes: bool) -> None:
    from engine.hf_engine import HfEngine
    from engine.vllm_engine import VllmEngine
    from student.predict import Engines, predict

    name, length, rank = config.model.name, config.model.max_length, _lora_rank(config)
    engines = Engines(VllmEngine(name, length, max_lora_rank=rank), HfEngine(name, length))
    try:
        choice = predict(config, engines, accept_changes)
    finally:
        for engine in engines:
            engine.close()
    print(f"best: {choice.best} ({choice.why})")


def _lora_rank(config: "Config") -> int:
    """The rank that vLLM has to be ready for; 0 where one student can only be folded in.

    vLLM then has no adapters beside the weights, and all students are folded in.
    """
    from config.peft_methods import LowRank, served_as

    methods = [student.method for student in config.students]
    if any(served_as(method) == "folded" for method in methods):
        return 0
    return max((one.saved_rank for one in methods if isinstance(one, LowRank)), default=0)


if __name__ == "__main__":
    run_command(main)
