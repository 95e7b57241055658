"""`python -m judge compare RUN…`: any arms of any runs in one table, on the rows that all share.

Reads what scoring left in each run's folder; asks nobody and needs no settings.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from data.records import Record
from data.store import write_text
from judge.format import points, share
from judge.metrics.paired import compared, with_holm
from judge.metrics.scores import strict_score
from judge.metrics.verdict_table import STRICT, VerdictTable
from judge.records import Comparison, StrictScore
from judge.side_by_side import read_runs, shared_board
from prompts.rules import rules_sha256

ABOUT = "put arms of several judged runs side by side, on the rows that all of them share"


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


def add_arguments(made: argparse.ArgumentParser) -> None:
    """The runs, and where the numbers go."""
    made.add_argument("runs", nargs="+", metavar="RUN", help="folder of a judged run")
    made.add_argument("--json", metavar="FILE", help="also write the numbers there")


def run(arguments: argparse.Namespace) -> int:
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
    behind = with_holm([compared(board, arm, order[0], STRICT) for arm in order[1:]])
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
