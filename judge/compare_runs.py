"""`python -m judge compare RUN…`: any arms of any runs in one table, on the rows that all share.

Reads what scoring left in each run's folder; asks nobody and needs no settings.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from config.errors import DataError
from data.atomic_write import write_text
from data.jsonl import read_records
from data.records import Record, digest
from data.rows import Row, normalise_question
from data.run_paths import RunPaths
from judge.format import points, share
from judge.metrics.paired import compare_arms, holm_adjusted
from judge.metrics.scores import strict_score
from judge.metrics.verdict_table import STRICT, VerdictTable, build_verdict_table
from judge.records import Comparison, JudgeResult, StrictScore
from judge.verdict import Verdict
from prompts.rules import RuleFile, rules_sha256, stored_rules


class Place(Record):
    """An arm of a run in the order of its strict rate."""

    rank: int  # from 1; arms without a rate come last
    arm: str  # run/arm
    strict: StrictScore  # on the common rows
    behind: Comparison | None  # against the first arm, Holm over all of these; None: the first


class Leaderboard(Record):
    """The arms of several runs on the rows that all of them have."""

    rules_sha256: str
    runs: dict[str, int]  # name → rows of val
    rows: int  # in common
    judges: tuple[str, ...]  # language models that judged: several are not one measure
    places: tuple[Place, ...]


def compare_command(arguments: argparse.Namespace) -> int:
    """Prints the table; returns 0."""
    board = leaderboard([Path(folder) for folder in arguments.runs])
    if arguments.json is not None:
        write_text(Path(arguments.json), board.model_dump_json(indent=1) + "\n")
    print("\n".join(lines(board)))
    return 0


def leaderboard(folders: Sequence[Path]) -> Leaderboard:
    """All arms of the runs, best strict rate first.

    Raises DataError when a run has not been judged, or two by different rules, or no row is common.
    """
    runs = read_runs(folders)
    board = shared_board(runs)
    return Leaderboard(
        rules_sha256=rules_sha256(runs[0].rules),
        runs={one.name: len(one.rows) for one in runs},
        rows=len(board.questions),
        judges=tuple(sorted({one.judge for one in runs})),
        places=tuple(_places(board)),
    )


def _places(board: VerdictTable) -> Iterator[Place]:
    scores = {arm: strict_score(board, arm, units) for arm, units in board.strict.items()}
    order = sorted(scores, key=lambda arm: (_worst_last(scores[arm]), arm))
    behind = holm_adjusted([compare_arms(board, arm, order[0], STRICT) for arm in order[1:]])
    for rank, (arm, against) in enumerate(zip(order, (None, *behind), strict=True), 1):
        yield Place(rank=rank, arm=arm, strict=scores[arm], behind=against)


def _worst_last(score: StrictScore) -> float:
    return 1.0 if score.rate is None else -score.rate


def lines(board: Leaderboard) -> Iterator[str]:
    """The table as text, and what to know before believing it."""
    runs = ", ".join(f"{name} ({rows} rows)" for name, rows in board.runs.items())
    yield f"{runs}: {board.rows} rows in common, rules {board.rules_sha256[:12]}"
    wide = max(len(place.arm) for place in board.places)
    yield f"   {'arm':<{wide}}  {'strict':<22} {'rows':>5} {'missing':>7}  against the first"
    for place in board.places:
        one = place.strict
        rate = share(one.rate, one.low, one.high)
        counts = f"{one.n:>5} {one.missing:>7}"
        yield f"{place.rank:>2} {place.arm:<{wide}}  {rate:<22} {counts}  {_behind(place.behind)}"
    yield "p: exact McNemar, Holm over all pairs. The first is picked on these rows, luck included."
    if len(board.judges) > 1:
        yield (
            f"judged by {', '.join(board.judges)}: where a model decides a rule, differences may "
            "be the judges'"
        )


def _behind(one: Comparison | None) -> str:
    if one is None:
        return "–"
    if one.difference is None or one.p_holm is None:
        return "no row decided in both"
    gap = points(one.difference, one.low, one.high)
    return f"{gap} on {one.n} rows, p = {one.p_holm:.3g}"


class JudgedRun(NamedTuple):
    """A run as it was judged."""

    name: str
    rules: RuleFile
    rows: list[Row]
    verdicts: list[Verdict]
    judge: str  # the language model, or "code"


def read_runs(folders: Sequence[Path]) -> list[JudgedRun]:
    """The runs as they were judged.

    Raises DataError when one has not been judged, or two by different rules.
    """
    runs = [_read(folder, name) for folder, name in zip(folders, _names(folders), strict=True)]
    _same_rules(folders, runs)
    return runs


def shared_board(runs: Sequence[JudgedRun]) -> VerdictTable:
    """All arms, named run/arm, on the rows that every run has. Raises DataError without any."""
    rows, verdicts = _merged(runs)
    if not verdicts:
        raise DataError(
            "compare: the runs share no answered row; compare runs on the same val questions"
        )
    return build_verdict_table(runs[0].rules, rows, verdicts)


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, or their whole paths when two are called alike."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    paths = [str(folder) for folder in folders]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise DataError(f"compare: a run is named twice in {', '.join(paths)}; name each once")
    return paths


def _read(folder: Path, name: str) -> JudgedRun:
    found = RunPaths(folder)
    for path in (found.rules, found.verdicts, found.scores, found.split("val")):
        if not path.exists():
            raise DataError(f"{path}: not there; run `python -m judge CONFIG score` on that run")
    try:
        result = JudgeResult.model_validate_json(found.scores.read_bytes())
    except ValidationError as error:
        line = str(error).splitlines()[0]
        raise DataError(
            f"{found.scores}: {line}; run `python -m judge CONFIG score` again"
        ) from None
    rules = stored_rules(found.rules)
    if rules_sha256(rules) != result.scores.rules_sha256:
        raise DataError(
            f"{found.rules}: not the rules of scores.json; run `python -m judge CONFIG score` again"
        )
    return JudgedRun(
        name,
        rules,
        list(read_records(found.split("val"), Row)),
        list(read_records(found.verdicts, Verdict)),
        result.judge.model if result.judge else "code",
    )


def _same_rules(folders: Sequence[Path], runs: Sequence[JudgedRun]) -> None:
    first = rules_sha256(runs[0].rules)
    for folder, one in zip(folders, runs, strict=True):
        other = rules_sha256(one.rules)
        if other != first:
            raise DataError(
                f"compare: {folder} was judged by rules {other[:12]}…, {folders[0]} by "
                f"{first[:12]}…; judge both by one rule file"
            )


def _merged(runs: Sequence[JudgedRun]) -> tuple[list[Row], list[Verdict]]:
    """The common rows under common ids, and all verdicts on them, arms named run/arm."""
    keys = _keys([one.rows for one in runs])
    common = set(keys[0].values()).intersection(*(found.values() for found in keys[1:]))
    rows = [
        row.model_copy(update={"id": keys[0][row.id]})
        for row in runs[0].rows
        if keys[0][row.id] in common
    ]
    verdicts = []
    for one, found in zip(runs, keys, strict=True):
        for verdict in one.verdicts:
            key = found.get(verdict.row)
            if key is None:
                raise DataError(
                    f"compare: run {one.name}: a verdict is on row {verdict.row!r}, which val no "
                    "longer has; run `python -m judge CONFIG score` again"
                )
            if key in common:
                names = {"row": key, "arm": f"{one.name}/{verdict.arm}"}
                verdicts.append(verdict.model_copy(update=names))
    return rows, verdicts


def _keys(runs: Sequence[Sequence[Row]]) -> list[dict[str, str]]:
    """Per run, row id → a key that the same row has in every run.

    The same row is the same question (normalised) with the same passages. Of several such rows the
    ids tell which is which, as far as all runs have them; the rest are taken in order.
    """
    alike: list[dict[str, list[str]]] = []
    for rows in runs:
        ids: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            passages = [context.text for context in row.contexts]
            ids[digest([normalise_question(row.question), passages])].append(row.id)
        alike.append(ids)
    keys = []
    for found in alike:
        of_run: dict[str, str] = {}
        for content, mine in found.items():
            shared = set(mine).intersection(*(other.get(content, ()) for other in alike))
            of_run.update({row: f"{content}/{row}" for row in shared})
            rest = [row for row in mine if row not in shared]
            of_run.update({row: f"{content}#{n}" for n, row in enumerate(rest)})
        keys.append(of_run)
    return keys
