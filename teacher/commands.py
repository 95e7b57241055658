"""The actions of `unprompted teacher`: each runs one step and prints its summary."""

from contextlib import nullcontext
from pathlib import Path

from config.console import print
from config.errors import DataError
from config.schema import Config
from data.atomic_write import write_text
from data.jsonl import write_records
from data.run_paths import RunPaths
from data.shards import UNSHARDED, parse_shard
from engine.factory import base_engine, batch_folder, local_engine, teacher_engine
from engine.openai_batch import most_frequent
from judge.judging_server import judging_server
from prompts.prompt_file import load_prompt
from teacher.audit import RuleAudit, audit
from teacher.generate import TeacherModels, generate
from teacher.merge_shards import merge_shards
from teacher.prepare_batch import prepare_batch
from teacher.probes.build import build_probes, coverage, probe_summary
from teacher.probes.candidates import load_probe_sources
from teacher.probes.generate_questions import generate_questions
from teacher.rejection_sampling import select_all
from teacher.scoring import stored_candidates
from teacher.selection import Selection, left_out_line, nothing_selected_line


def teacher_models(config: Config) -> TeacherModels:
    """The engines that the settings name; none of them is started yet."""
    engine = teacher_engine(config)
    return TeacherModels(engine, base_engine(config, engine))


def run_probes(config: Config, accept_changes: bool) -> None:
    """Makes the probes and prints the coverage of each rule."""
    run, (prompt, rules) = RunPaths.of(config), load_prompt(config.prompt, Path())
    train = run.rows("train")
    sources = load_probe_sources(config, prompt, train, [*run.rows("val"), *run.rows("hidden")])
    generated: dict[str, list[str]] = {}
    if config.probes is not None and config.probes.generate_questions:
        engine = local_engine(config, config.model)
        try:
            generated = generate_questions(config, sources.bank, engine, accept_changes)
        finally:
            engine.close()
    probes = build_probes(sources, rules, generated)
    write_records(run.probes, probes.rows)
    write_text(run.probe_counts, probes.counts.model_dump_json(indent=1) + "\n")
    print("\n".join(probe_summary(probes.counts, coverage(rules, [*train, *probes.rows]))))


def run_generate(
    config: Config, models: TeacherModels, accept_changes: bool, shard_name: str | None
) -> None:
    """Samples all arms of the teacher; `shard_name`: I/N, or None for all rows."""
    shard = UNSHARDED if shard_name is None else parse_shard(shard_name)
    try:
        with judging_server(config) if config.teacher.score_with_llm else nullcontext() as judge:
            summaries = generate(config, models._replace(judge=judge), accept_changes, shard)
    finally:
        models.close()
    for arm, summary in summaries.items():
        print(
            f"{arm + shard.suffix}: {summary.requested} requested, {summary.reused} reused, "
            f"{summary.too_long} too long, {summary.truncated} truncated, "
            f"{summary.reasoning_cut} without their reasoning"
        )


def run_merge(config: Config, identity: str) -> None:
    """Joins the shards; `identity`: of the engine that answered."""
    for arm, summary in merge_shards(config, identity).items():
        print(
            f"{arm}: {summary.answers} answers from {summary.shards} shards, none missing; "
            f"{summary.too_long} too long, {summary.dropped} no longer wanted"
        )


def check_results(config: Config) -> None:
    """Raises DataError when no result of a batch has come back: before a model is started."""
    folder = batch_folder(config)
    if not any(folder.results.glob("*.jsonl")):
        raise DataError(
            f"{folder.results}: no results there; run `unprompted teacher CONFIG prepare`, send "
            f"the files in {folder.requests} and put the results there first"
        )


def run_prepare(config: Config) -> None:
    """Writes the batch files and prints their paths."""
    batch = prepare_batch(config)
    print(
        f"{batch.requests} requests in {len(batch.files)} files, {batch.answered} are answered, "
        f"{batch.failures.total()} came back as errors{most_frequent(batch.failures)}"
    )
    for path in batch.files:
        print(path)


def run_select(config: Config) -> None:
    """Selects the answers to learn, audits the candidates and prints the ceiling.

    Raises DataError, after all that, when no answer was selected: there is nothing to learn.
    """
    prompt, rules = load_prompt(config.prompt, Path())
    candidates = stored_candidates(config, prompt, rules)
    selections = select_all(config, candidates)
    for split, selection in selections.items():
        print(
            f"{split}: {selection.selected} answers selected for {selection.rows_selected} of "
            f"{selection.rows} rows, out of {selection.candidates} candidates"
        )
        if len(selection.how) > 1:
            print(f"  {_how(selection)}")
        if selection.rows_left_out:
            reasons = left_out_line(selection, config.teacher.guided)
            print(f"  {reasons}; their ids are in {RunPaths.of(config).audit}")
    strict = audit(config, rules, candidates, selections).strict
    by = "code rules and the judge" if config.teacher.score_with_llm else "code rules"
    print(f"ceiling, strict on train by the {by}: {_ceiling(strict, config.teacher.candidates)}")
    if not selections["train"].selected:
        line = nothing_selected_line(selections["train"], config.teacher.guided)
        raise DataError(f"{line}; see {RunPaths.of(config).answers('candidates/train')}")


def _how(selection: Selection) -> str:
    return ", ".join(
        f"{how} {count.candidates} ({count.selected} selected)"
        for how, count in selection.how.items()
    )


def _ceiling(strict: RuleAudit, candidates: int) -> str:
    shares = {
        "base without the prompt": strict.base,
        "first candidate": strict.first,
        f"best of {candidates}": strict.best,
        "with guidance": strict.guided,
    }
    return ", ".join(
        f"{name} {share.value:.1%} of {share.n}"
        for name, share in shares.items()
        if share is not None and share.value is not None
    )
