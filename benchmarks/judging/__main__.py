"""`python -m benchmarks.judging`: the judge's own cost per verdict, and that of other judges.

All are measured against a local server with a fixed latency. Prints a table and, on the last line,
the figures as JSON. With the peers measured too, the table replaces results/judging.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.judging.floor import Floor, measure_floor
from benchmarks.judging.items import Item, make_items
from benchmarks.judging.our_judge import REPEATS, JudgeTimes, measure_our_judge
from benchmarks.judging.peer import PEERS, PeerTimes, Unmeasured, measure_peer
from benchmarks.judging.server import serving
from benchmarks.result_page import conditions, publish
from config.checkout import ROOT
from data.records import Record

COUNT = 2000
IN_FLIGHT = 64
LATENCY_S = 0.05
LIMITS = {"wall_over_ideal": 1.15, "ms_per_verdict": 0.3, "rescore_s": 2.0}  # at most
_PAGE = ROOT / "benchmarks" / "results" / "judging.md"


class JudgingFigures(Record):
    """The figures; None: not measured, the table says why."""

    wall_over_ideal: float  # our wall time ÷ the server's latency in sequence
    vs_inspect_ai: float | None  # its wall ÷ ours
    vs_deepeval: float | None
    ms_per_verdict: float  # CPU
    rescore_s: float


class _TableRow(NamedTuple):
    figure: str
    value: str
    how: str


class _PeerResult(NamedTuple):
    name: str
    per_item: PeerTimes | None
    how: str


def run(count: int, skip_peers: bool) -> tuple[JudgingFigures, str]:
    """The figures on `count` items, and the table in Markdown."""
    items = make_items(count)
    with serving(LATENCY_S) as url, tempfile.TemporaryDirectory() as folder:
        floor = measure_floor(items, url, IN_FLIGHT)
        ours = measure_our_judge(items, url, IN_FLIGHT, Path(folder))
        peers = list(_peers(items, url, skip_peers))
    ours_s = ours.wall_s / count
    vs = {peer.name: peer.per_item and peer.per_item.wall_s / ours_s for peer in peers}
    figures = JudgingFigures(
        wall_over_ideal=ours.wall_s / _ideal_s(count),
        vs_inspect_ai=vs["inspect_ai"],
        vs_deepeval=vs["deepeval"],
        ms_per_verdict=1000 * ours.own_cpu_s / count,
        rescore_s=ours.rescore_s,
    )
    return figures, _table(
        figures, [*_ours(ours, count), *_others(peers, count), *_floor(floor, count)]
    )


def _peers(items: list[Item], url: str, skip: bool) -> Iterator[_PeerResult]:
    for peer in PEERS:
        if skip:
            yield _PeerResult(peer.name, None, "not measured: --skip-peers")
            continue
        try:
            per_item = measure_peer(peer, items, url, IN_FLIGHT)
        except Unmeasured as error:
            yield _PeerResult(peer.name, None, f"not measured: {error}")
            continue
        scaled = f"scaled from {peer.most_items} items" if peer.most_items < len(items) else ""
        how = ", ".join(filter(None, (*peer.packages, "one run", scaled)))
        yield _PeerResult(peer.name, per_item, how)


def _ideal_s(count: int) -> float:
    return count / IN_FLIGHT * LATENCY_S


def _ours(ours: JudgeTimes, count: int) -> list[_TableRow]:
    walls = ", ".join(f"{wall:.2f}" for wall in ours.walls_s)
    cpu_ms = 1000 * ours.cpu_s / count
    return [
        _TableRow("our wall, s", f"{ours.wall_s:.2f}", f"median of {walls}; with cache and probe"),
        _TableRow("our whole CPU, ms per verdict", f"{cpu_ms:.3f}", "HTTP included"),
        _TableRow(
            "our wait for a core, s",
            f"{ours.waited_s:.2f}",
            "of our wall, while other processes ran; every wall figure here contains such waits",
        ),
    ]


def _others(peers: list[_PeerResult], count: int) -> Iterator[_TableRow]:
    for name, per_item, how in peers:
        wall, cpu = "—", "—"
        if per_item:
            wall, cpu = f"{per_item.wall_s * count:.1f}", f"{1000 * per_item.cpu_s:.2f}"
        yield _TableRow(f"{name}'s wall, s", wall, how)
        yield _TableRow(f"{name}'s whole CPU, ms per verdict", cpu, "HTTP included")


def _floor(floor: Floor, count: int) -> list[_TableRow]:
    return [
        _TableRow(
            "bare wall ÷ ideal",
            f"{floor.wall_s / _ideal_s(count):.3f}",
            f"the server alone: {IN_FLIGHT} raw connections that only send and read",
        ),
        _TableRow(
            "server's CPU, ms per request",
            f"{1000 * floor.server_cpu_s / count:.3f}",
            "in its own process, under the bare load",
        ),
        _TableRow(
            "server's lateness, ms per reply",
            f"{1000 * floor.late_s / count:.3f}",
            f"beyond the {1000 * LATENCY_S:g} ms, under the bare load",
        ),
    ]


_HOW = {
    "wall_over_ideal": f"our wall ÷ (items / {IN_FLIGHT} × {LATENCY_S:g} s)",
    "vs_inspect_ai": "its wall ÷ ours; model_graded_qa by `score`, log written",
    "vs_deepeval": "its wall ÷ ours; GEval with given steps, one call per verdict",
    "ms_per_verdict": (
        "CPU of the judging process, with the complete cache in place of a server: requests built "
        "and hashed, replies parsed, evidence checked, verdicts built; then every reply written "
        f"to a new file. Without HTTP client and retries; median of {REPEATS}"
    ),
    "rescore_s": f"wall of judging all again from the cache, no call; median of {REPEATS}",
}


def _table(figures: JudgingFigures, extra_rows: list[_TableRow]) -> str:
    lines = ["| figure | measured | limit | how |", "| --- | --- | --- | --- |"]
    for name, value in figures.model_dump().items():
        limit = f"≤ {LIMITS[name]:g}" if name in LIMITS else ""
        measured = "—" if value is None else f"{value:.3f}"
        lines.append(f"| {name} | {measured} | {limit} | {_HOW[name]} |")
    lines += [f"| {row.figure} | {row.value} | | {row.how} |" for row in extra_rows]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Measures and prints; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judging", description=__doc__)
    parser.add_argument("--skip-peers", action="store_true", help="measure only our judge")
    skip_peers = parser.parse_args(argv).skip_peers
    setup = (
        f"{conditions(('aiohttp', 'jinja2', 'pydantic'))}\n{COUNT} items from lakeside's "
        f"rows, {IN_FLIGHT} in flight, {1000 * LATENCY_S:g} ms."
    )
    figures, table = run(COUNT, skip_peers)
    text = f"# The cost of a verdict\n\n{setup}\n\n{table}\n"
    publish(text, figures, None if skip_peers else _PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
