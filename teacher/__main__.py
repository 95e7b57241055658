"""`python -m teacher CONFIG probes|generate|select`: made rows, prompted answers, the choice."""

from pathlib import Path

from config.command import add_changes, parser, run_command
from config.load import load_config
from config.schema import Config
from data.run import Run
from data.store import write_records, write_text
from prompts.library import load_prompt
from teacher.audit import audit
from teacher.candidates import given_of
from teacher.coverage import coverage
from teacher.probes import lines, make_probes
from teacher.select import select_all


def main() -> int:
    """Runs one action of the teacher."""
    made = parser("teacher", "The prompted model's answers, and the choice of those to learn.")
    made.add_argument(
        "action",
        choices=("probes", "generate", "select"),
        help="probes: make rows for rules that the logs hardly touch; generate: ask the prompted "
        "model; select: choose by the code rules, write audit.json",
    )
    add_changes(made)
    arguments = made.parse_args()
    config = load_config(Path(arguments.config), arguments.overrides)
    if arguments.action == "probes":
        _probes(config, arguments.accept_changes)
    elif arguments.action == "generate":
        _generate(config, arguments.accept_changes)
    else:
        _select(config)
    return 0


def _probes(config: Config, accept_changes: bool) -> None:
    run, (prompt, rules) = Run.of(config), load_prompt(config.prompt, Path())
    train = run.rows("train")
    given = given_of(config, prompt, train, [*run.rows("val"), *run.rows("hidden")])
    written: dict[str, list[str]] = {}
    if config.probes is not None and config.probes.from_model:
        from engine.vllm import VllmEngine  # heavy: only where it is used
        from teacher.written import write_questions

        engine = VllmEngine(config.model.name, config.model.max_length)
        try:
            written = write_questions(config, given.bank, engine, accept_changes)
        finally:
            engine.close()
    probes = make_probes(given, rules, written)
    write_records(run.probes, probes.rows)
    write_text(run.probe_counts, probes.counts.model_dump_json(indent=1) + "\n")
    print("\n".join(lines(probes, coverage(rules, [*train, *probes.rows]))))


def _generate(config: Config, accept_changes: bool) -> None:
    from engine.vllm import VllmEngine  # heavy: only where it is used
    from teacher.generate import generate

    engine = VllmEngine(config.model.name, config.model.max_length)
    try:
        for arm, done in generate(config, engine, accept_changes).items():
            print(
                f"{arm}: {done.asked} asked, {done.reused} reused, "
                f"{done.too_long} too long, {done.cut} cut"
            )
    finally:
        engine.close()


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
