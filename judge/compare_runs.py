"""`unprompted judge compare RUN…`: the arms of several runs, on the rows that all runs share.

Reads what scoring left in each run's folder; asks no model and needs no settings.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from config.console import print
from config.errors import DataError
from data.atomic_write import write_text
from data.jsonl import read_record, read_records
from data.records import Record, digest
from data.rows import Row, normalise_question
from data.run_paths import RunPaths
from data.stored_file import is_stored
from judge.judge_note import JudgeFingerprint
from judge.metrics.correct_choice import ChosenStudent, correct_choice
from judge.metrics.interval import format_difference, format_share
from judge.metrics.paired import compare_arms, holm_adjusted
from judge.metrics.scores import strict_score
from judge.metrics.verdict_table import VerdictTable, build_verdict_table
from judge.records import Comparison, JudgeResult, StrictScore
from judge.verdict import Verdict
from prompts.rules import RuleFile, rules_sha256, stored_rules


class RankedArm(Record):
    """An arm of a run, ranked by its strict rate."""

    rank: int  # from 1; arms without a rate come last
    arm: str  # run/arm
    strict: StrictScore  # on the common rows; the first arm's is corrected for being the first
    against_first: Comparison | None  # Holm over all of these; None: the first arm


class RunComparison(Record):
    """The arms of several runs on the rows that all runs have."""

    rules_sha256: str
    runs: dict[str, int]  # name → rows of val
    rows: int  # in common
    judges: tuple[str, ...]  # language models that judged
    # fields of the fingerprint in which the judges differ, so that verdicts may not compare
    judge_differences: tuple[str, ...]
    score: str  # the strict score of `arms`
    optimism: float  # taken off the first arm's rate, because it was chosen on these rows
    arms: tuple[RankedArm, ...]


def compare_command(arguments: argparse.Namespace) -> int:
    """Prints the table, and writes it as JSON if asked to; returns 0."""
    comparison = compare_runs([Path(folder) for folder in arguments.runs])
    if arguments.json is not None:
        write_text(Path(arguments.json), comparison.model_dump_json(indent=1) + "\n")
    print("\n".join(_table(comparison)))
    return 0


def compare_runs(folders: Sequence[Path]) -> RunComparison:
    """All arms of the runs, best strict rate first.

    Raises DataError when a run has not been judged, when two were judged by different rules, and
    when no row is common.
    """
    runs = [_read_run(folder, name) for folder, name in zip(folders, _names(folders), strict=True)]
    first = runs[0]
    for run in runs[1:]:
        if run.rules_sha256 != first.rules_sha256:
            raise DataError(
                f"compare: {run.name} was judged by rules {run.rules_sha256[:12]}…, {first.name} "
                f"by {first.rules_sha256[:12]}…; judge both by one rule file"
            )
    rows, verdicts = _common_rows(runs)
    if not verdicts:
        raise DataError(
            "compare: the runs share no answered row; compare runs on the same val questions"
        )
    table = build_verdict_table(first.rules, rows, verdicts)
    score = table.headline(arm for arm in table.verdicts if "/logged/" not in arm)
    order = _best_first(table, score)
    chosen = ChosenStudent(arm=order[0], tried=tuple(order))
    table = correct_choice(table, chosen, score, seed=0, criterion=score)
    return RunComparison(
        rules_sha256=first.rules_sha256,
        runs={run.name: len(run.rows) for run in runs},
        rows=len(table.questions),
        judges=tuple(sorted({run.judge for run in runs})),
        judge_differences=_judge_differences(runs),
        score=score,
        optimism=table.optimism(order[0], score),
        arms=tuple(_ranked(table, order, score)),
    )


def _best_first(table: VerdictTable, score: str) -> list[str]:
    """The arms by their rate, then by name; those without a rate come last."""
    rates = {arm: table.rate(table.decided(arm, score)) for arm in table.verdicts}
    return sorted(rates, key=lambda arm: (1.0 if (r := rates[arm]) is None else -r.value, arm))


def _ranked(table: VerdictTable, order: Sequence[str], score: str) -> Iterator[RankedArm]:
    compared = holm_adjusted([compare_arms(table, arm, order[0], score) for arm in order[1:]])
    for rank, (arm, against) in enumerate(zip(order, (None, *compared), strict=True), 1):
        strict = strict_score(table, arm, table.verdicts[arm], score)
        yield RankedArm(rank=rank, arm=arm, strict=strict, against_first=against)


def _table(comparison: RunComparison) -> Iterator[str]:
    runs = ", ".join(f"{name} ({rows} rows)" for name, rows in comparison.runs.items())
    yield f"{runs}: {comparison.rows} rows in common, rules {comparison.rules_sha256[:12]}"
    width = max(len(ranked.arm) for ranked in comparison.arms)
    head = f"{'arm':<{width}}  {comparison.score:<22} {'rows':>5} {'missing':>7}"
    yield f"   {head}  against the first"
    for ranked in comparison.arms:
        strict = ranked.strict
        rate = format_share(strict.rate, strict.low, strict.high)
        yield (
            f"{ranked.rank:>2} {ranked.arm:<{width}}  {rate:<22} {strict.n:>5} "
            f"{strict.missing:>7}  {_difference(ranked.against_first)}"
        )
    yield "p: of the interval, Holm over all pairs."
    if len(comparison.arms) > 1:
        yield (
            f"The first arm is the best of {len(comparison.arms)} on these rows: for that choice "
            f"{100 * comparison.optimism:.1f} points are taken off its rate and its lead."
        )
    if comparison.judge_differences == ("fingerprint",):
        yield (
            "some run does not say how its judge was set, which may cause the difference; run "
            "`unprompted judge CONFIG score` on it again"
        )
    elif comparison.judge_differences:
        yield (
            f"judged by {', '.join(comparison.judges)}, with another "
            f"{', '.join(comparison.judge_differences)}: that may cause the difference"
        )


def _difference(comparison: Comparison | None) -> str:
    if comparison is None:
        return "–"
    if comparison.difference is None or comparison.p_holm is None:
        return "no row decided in both"
    difference = format_difference(comparison.difference, comparison.low, comparison.high)
    return f"{difference} on {comparison.n} rows, p = {comparison.p_holm:.3g}"


class _JudgedRun(NamedTuple):
    name: str
    rules: RuleFile
    rules_sha256: str
    rows: list[Row]
    verdicts: list[Verdict]
    judge: str  # the language model, or "code"
    fingerprint: JudgeFingerprint | None  # absent in files of an earlier version


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, or their whole paths when two names are equal."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise DataError(f"compare: a run is named twice in {', '.join(names)}; name each once")
    return [str(folder) for folder in folders]


def _read_run(folder: Path, name: str) -> _JudgedRun:
    run = RunPaths(folder)
    for path in (run.rules, run.verdicts, run.scores, run.split("val")):
        if not is_stored(path):
            raise DataError(f"{path}: missing; run `unprompted judge CONFIG score` on that run")
    result = read_record(run.scores, JudgeResult)
    rules = stored_rules(run.rules)
    if rules_sha256(rules) != result.scores.rules_sha256:
        raise DataError(
            f"{run.rules}: not the rules of scores.json; run `unprompted judge CONFIG score` again"
        )
    return _JudgedRun(
        name,
        rules,
        result.scores.rules_sha256,
        list(read_records(run.split("val"), Row)),
        list(read_records(run.verdicts, Verdict)),
        result.judge.model if result.judge else "code",
        result.fingerprint,
    )


def _common_rows(runs: Sequence[_JudgedRun]) -> tuple[list[Row], list[Verdict]]:
    """The common rows under common ids, and all verdicts on them, arms named run/arm."""
    common_ids = _common_ids([run.rows for run in runs])
    common = set.intersection(*(set(ids.values()) for ids in common_ids))
    rows = [
        row.model_copy(update={"id": common_ids[0][row.id]})
        for row in runs[0].rows
        if common_ids[0][row.id] in common
    ]
    verdicts = []
    for run, ids in zip(runs, common_ids, strict=True):
        for verdict in run.verdicts:
            row_id = ids.get(verdict.row)
            if row_id is None:
                raise DataError(
                    f"compare: run {run.name}: a verdict is on row {verdict.row!r}, which val no "
                    "longer has; run `unprompted judge CONFIG score` again"
                )
            if row_id in common:
                names = {"row": row_id, "arm": f"{run.name}/{verdict.arm}"}
                verdicts.append(verdict.model_copy(update=names))
    return rows, verdicts


def _common_ids(runs: Sequence[Sequence[Row]]) -> list[dict[str, str]]:
    """Per run: row id → an id that the same row has in every run.

    The same row is the same question (normalised) with the same passages. Repeated rows are matched
    by their ids where every run has them; the rest are matched in order.
    """
    ids_by_content: list[dict[str, list[str]]] = []
    for rows in runs:
        ids_by_content.append(defaultdict(list))
        for row in rows:
            passages = [context.text for context in row.contexts]
            content = digest([normalise_question(row.question), passages])
            ids_by_content[-1][content].append(row.id)
    common_ids: list[dict[str, str]] = []
    for by_content in ids_by_content:
        common_ids.append({})
        for content, ids in by_content.items():
            shared = set(ids).intersection(*(other.get(content, ()) for other in ids_by_content))
            rest = [row for row in ids if row not in shared]
            common_ids[-1] |= {row: f"{content}/{row}" for row in shared}
            common_ids[-1] |= {row: f"{content}#{n}" for n, row in enumerate(rest)}
    return common_ids


def _judge_differences(runs: Sequence[_JudgedRun]) -> tuple[str, ...]:
    """The fields in which the fingerprint of some run differs from that of the first.

    Without a fingerprint, in files of an earlier version, every field may differ: `fingerprint`.
    """
    if any(run.fingerprint is None for run in runs):
        return ("fingerprint",)
    values = [run.fingerprint.model_dump() for run in runs if run.fingerprint is not None]
    first = values[0]
    return tuple(name for name in first if any(other[name] != first[name] for other in values))
