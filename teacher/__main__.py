"""`python -m teacher CONFIG probes|generate|merge|select|prepare|collect`.

Made rows; candidates of the prompted model, in shards too, and the choice; by batch files, where
the engine is those.
"""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from config.cli import add_run_arguments, command_parser, load_arguments, run_command
from config.errors import ConfigError

if TYPE_CHECKING:  # heavy: each action imports only what it runs, so `--help` is fast
    from config.schema import Config
    from teacher.audit import RuleAudit
    from teacher.generate import Sources


def own_sources(config: "Config") -> "Sources":
    """The engines of the settings, none of them started."""
    from engine.factory import base_engine, teacher_engine
    from teacher.generate import Sources

    engine = teacher_engine(config)
    return Sources(engine, base_engine(config, engine))


def main(make_sources: "Callable[[Config], Sources]" = own_sources) -> int:
    """Runs one action of the teacher, with the engines that the settings name or other ones."""
    parser = command_parser("teacher", "Samples the prompted model and selects answers to learn.")
    parser.add_argument(
        "action",
        choices=("probes", "generate", "merge", "select", "prepare", "collect"),
        help="probes: make rows for rules with little coverage in the logs; generate: sample the "
        "prompted model; merge: join the files of its shards; select: choose answers by the rules "
        "and write audit.json; prepare: write batch files of unanswered requests; collect: "
        "generate from their results",
    )
    parser.add_argument(
        "--shard", metavar="I/N", help="generate: only shard I of N of the rows, 1/N to N/N"
    )
    add_run_arguments(parser)
    arguments = parser.parse_intermixed_args()  # overrides may follow an option
    config = load_arguments(arguments)
    _check(config, arguments.action, arguments.shard)
    if arguments.action == "probes":
        _probes(config, arguments.accept_changes)
    elif arguments.action == "merge":
        _merge(config, make_sources(config).engine.identity)
    elif arguments.action == "select":
        _select(config)
    elif arguments.action == "prepare":
        _prepare(config)
    else:
        from data.shards import UNSHARDED, parse_shard

        part = UNSHARDED if arguments.shard is None else parse_shard(arguments.shard)
        sources = make_sources(config)._replace(part=part)
        _generate(config, sources, arguments.accept_changes)
    return 0


def _check(config: "Config", action: str, shard: str | None) -> None:
    """Raises ConfigError for what does not go together."""
    if action in ("prepare", "collect") and config.teacher.engine.kind != "batch":
        raise ConfigError(
            f"teacher.engine {config.teacher.engine.kind} needs no {action}; run "
            "generate, or set teacher.engine: {kind: batch, model: …}"
        )
    if shard is not None and action != "generate":
        raise ConfigError(f"--shard {shard}: only `generate` does a part of the rows")
    if shard and config.teacher.judged:
        raise ConfigError(
            f"--shard {shard}: the judge's replies lie in one file for all rows; "
            "set teacher.judged: false"
        )


def _prepare(config: "Config") -> None:
    from teacher.prepare_batch import prepare_batch

    done = prepare_batch(config)
    print(
        f"{done.requests} requests in {len(done.files)} files, {done.there} answers are there, "
        f"{done.failed} came back as errors"
    )
    for path in done.files:
        print(path)


def _probes(config: "Config", accept_changes: bool) -> None:
    from data.atomic_write import write_text
    from data.jsonl import write_records
    from data.run_paths import RunPaths
    from prompts.prompt_file import load_prompt
    from teacher.probes.build import lines, make_probes
    from teacher.probes.candidates import given_of
    from teacher.probes.coverage import coverage

    run, (prompt, rules) = RunPaths.of(config), load_prompt(config.prompt, Path())
    train = run.rows("train")
    given = given_of(config, prompt, train, [*run.rows("val"), *run.rows("hidden")])
    written: dict[str, list[str]] = {}
    if config.probes is not None and config.probes.from_model:
        from engine.vllm_engine import VllmEngine
        from teacher.probes.generate_questions import write_questions

        engine = VllmEngine(config.model.name, config.model.max_length)
        try:
            written = write_questions(config, given.bank, engine, accept_changes)
        finally:
            engine.close()
    probes = make_probes(given, rules, written)
    write_records(run.probes, probes.rows)
    write_text(run.probe_counts, probes.counts.model_dump_json(indent=1) + "\n")
    print("\n".join(lines(probes, coverage(rules, [*train, *probes.rows]))))


def _generate(config: "Config", sources: "Sources", accept_changes: bool) -> None:
    from judge.score import judging_server
    from teacher.generate import generate

    suffix = sources.part.suffix
    try:
        with judging_server(config) if config.teacher.judged else nullcontext() as judge:
            sources = sources._replace(judge=judge)
            for arm, done in generate(config, sources, accept_changes).items():
                print(
                    f"{arm + suffix}: {done.requested} requested, {done.reused} reused, "
                    f"{done.too_long} too long, {done.truncated} truncated"
                )
    finally:
        sources.close()


def _merge(config: "Config", identity: str) -> None:
    from teacher.merge_shards import merge

    for arm, done in merge(config, identity).items():
        print(
            f"{arm}: {done.answers} answers from {done.shards} shards, none missing; "
            f"{done.too_long} too long, {done.left_out} no longer wanted"
        )


def _select(config: "Config") -> None:
    from data.run_paths import RunPaths
    from prompts.prompt_file import load_prompt
    from teacher.audit import audit
    from teacher.rejection_sampling import select_all
    from teacher.scoring import stored_candidates

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
            print(f"  rows left out: {reasons}; their ids are in {RunPaths.of(config).audit}")
    made = audit(config, rules, found, selection)
    by = "code rules and the judge" if made.judged else "code rules"
    print(f"ceiling, strict on train by the {by}: {_ceiling(made.strict, config)}")


def _ceiling(strict: "RuleAudit", config: "Config") -> str:
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
