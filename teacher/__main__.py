"""`python -m teacher CONFIG probes|generate|merge|select|prepare|collect`.

Made rows; candidates of the prompted model, in shards too, and the choice; by batch files, where
the engine is those.
"""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from config.cli import add_changes, parser, run_command
from config.errors import ConfigError
from config.load import load_config
from config.schema import Config
from data.atomic_write import write_text
from data.jsonl import write_records
from data.run_paths import RunPaths
from data.shards import WHOLE, read_shard
from judge.score import judging_server
from prompts.prompt_file import load_prompt
from teacher.audit import RuleAudit, audit
from teacher.probes.build import lines, make_probes
from teacher.probes.candidates import given_of
from teacher.probes.coverage import coverage
from teacher.rejection_sampling import select_all
from teacher.scoring import stored_candidates

if TYPE_CHECKING:
    from teacher.generate import Sources  # heavy: `select` must not wait for it


def own_sources(config: Config) -> "Sources":
    """The engines of the settings, none of them started."""
    from engine.factory import base_engine, teacher_engine  # heavy: only where it is used
    from teacher.generate import Sources

    engine = teacher_engine(config)
    return Sources(engine, base_engine(config, engine))


def main(make_sources: Callable[[Config], "Sources"] = own_sources) -> int:
    """Runs one action of the teacher, with the engines that the settings name or other ones."""
    made = parser("teacher", "The prompted model's answers, and the choice of those to learn.")
    made.add_argument(
        "action",
        choices=("probes", "generate", "merge", "select", "prepare", "collect"),
        help="probes: make rows for rules that the logs hardly touch; generate: ask the prompted "
        "model; merge: join what its shards have written; select: choose by the rules, write "
        "audit.json; prepare: write batch files of what is not answered; collect: generate from "
        "their results",
    )
    made.add_argument(
        "--shard", metavar="I/N", help="generate: only part I of N of the rows, 1/N to N/N"
    )
    add_changes(made)
    arguments = made.parse_intermixed_args()  # settings may come behind an option
    config = load_config(Path(arguments.config), arguments.overrides)
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
        part = WHOLE if arguments.shard is None else read_shard(arguments.shard)
        sources = make_sources(config)._replace(part=part)
        _generate(config, sources, arguments.accept_changes)
    return 0


def _check(config: Config, action: str, shard: str | None) -> None:
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


def _prepare(config: Config) -> None:
    from teacher.prepare_batch import prepare_batch

    done = prepare_batch(config)
    print(
        f"{done.requests} requests in {len(done.files)} files, {done.there} answers are there, "
        f"{done.failed} came back as errors"
    )
    for path in done.files:
        print(path)


def _probes(config: Config, accept_changes: bool) -> None:
    run, (prompt, rules) = RunPaths.of(config), load_prompt(config.prompt, Path())
    train = run.rows("train")
    given = given_of(config, prompt, train, [*run.rows("val"), *run.rows("hidden")])
    written: dict[str, list[str]] = {}
    if config.probes is not None and config.probes.from_model:
        from engine.vllm_engine import VllmEngine  # heavy: only where it is used
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


def _generate(config: Config, sources: "Sources", accept_changes: bool) -> None:
    from teacher.generate import generate

    suffix = sources.part.suffix
    try:
        with judging_server(config) if config.teacher.judged else nullcontext() as judge:
            sources = sources._replace(judge=judge)
            for arm, done in generate(config, sources, accept_changes).items():
                print(
                    f"{arm + suffix}: {done.asked} asked, {done.reused} reused, "
                    f"{done.too_long} too long, {done.cut} cut"
                )
    finally:
        sources.close()


def _merge(config: Config, identity: str) -> None:
    from teacher.merge_shards import merge  # heavy: only where it is used

    for arm, done in merge(config, identity).items():
        print(
            f"{arm}: {done.answers} answers from {done.shards} shards, none missing; "
            f"{done.too_long} too long, {done.left_out} no longer wanted"
        )


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
            print(f"  rows left out: {reasons}; their ids are in {RunPaths.of(config).audit}")
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
