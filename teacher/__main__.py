"""`python -m teacher CONFIG probes|generate|select|prepare|collect`.

Made rows; candidates of the prompted model, and the choice; by batch files, where the engine is
those.
"""

from contextlib import nullcontext
from pathlib import Path

from config.command import add_changes, parser, run_command
from config.errors import ConfigError
from config.load import load_config
from config.schema import Config
from data.run import Run
from data.store import write_records, write_text
from judge.scoring import judging_server
from prompts.library import load_prompt
from teacher.audit import RuleAudit, audit
from teacher.candidates import given_of
from teacher.coverage import coverage
from teacher.judged import stored_candidates
from teacher.probes import lines, make_probes
from teacher.select import select_all


def main() -> int:
    """Runs one action of the teacher."""
    made = parser("teacher", "The prompted model's answers, and the choice of those to learn.")
    made.add_argument(
        "action",
        choices=("probes", "generate", "select", "prepare", "collect"),
        help="probes: make rows for rules that the logs hardly touch; generate: ask the prompted "
        "model; select: choose by the rules, write audit.json; "
        "prepare: write batch files of what is not answered; collect: generate from their results",
    )
    add_changes(made)
    arguments = made.parse_args()
    config = load_config(Path(arguments.config), arguments.overrides)
    by_files = config.teacher.engine.kind == "batch"
    if arguments.action in ("prepare", "collect") and not by_files:
        raise ConfigError(
            f"teacher.engine {config.teacher.engine.kind} needs no {arguments.action}; run "
            "generate, or set teacher.engine: {kind: batch, model: …}"
        )
    if arguments.action == "probes":
        _probes(config, arguments.accept_changes)
    elif arguments.action == "select":
        _select(config)
    elif arguments.action == "prepare":
        _prepare(config)
    else:
        _generate(config, arguments.accept_changes)
    return 0


def _prepare(config: Config) -> None:
    from teacher.batches import prepare

    done = prepare(config)
    print(
        f"{done.requests} requests in {len(done.files)} files, {done.there} answers are there, "
        f"{done.failed} came back as errors"
    )
    for path in done.files:
        print(path)


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
    from engine.make import base_engine, teacher_engine
    from teacher.generate import generate

    engine = teacher_engine(config)
    base = base_engine(config, engine)
    try:
        with judging_server(config) if config.teacher.judged else nullcontext() as judge:
            for arm, done in generate(config, engine, accept_changes, judge, base).items():
                print(
                    f"{arm}: {done.asked} asked, {done.reused} reused, "
                    f"{done.too_long} too long, {done.cut} cut"
                )
    finally:
        for one in (engine, base):
            if one is not None:
                one.close()


def _select(config: Config) -> None:
    prompt, rules = load_prompt(config.prompt, Path())
    found = stored_candidates(config, prompt, rules)
    selection = select_all(config, rules, found)
    for split, done in selection.items():
        print(
            f"{split}: {done.kept} answers kept for {done.rows_kept} of {done.rows} rows, "
            f"out of {done.candidates} candidates"
        )
        if done.left_out:
            reasons = ", ".join(f"{fate} {len(ids)}" for fate, ids in done.left_out.items())
            print(f"  rows left out: {reasons}; their ids are in {Run.of(config).audit}")
    made = audit(config, rules, found, selection)
    by = "code rules and the judge" if made.judged else "code rules"
    print(f"ceiling, strict on train by the {by}: {_ceiling(made.strict, config)}")


def _ceiling(strict: RuleAudit, config: Config) -> str:
    shares = {
        "base without the prompt": strict.base,
        "first candidate": strict.first,
        f"best of {config.teacher.candidates}": strict.best,
        "with repair": strict.repaired,
    }
    return ", ".join(
        f"{name} {one.value:.1%} of {one.n}"
        for name, one in shares.items()
        if one is not None and one.value is not None
    )


if __name__ == "__main__":
    run_command(main)
