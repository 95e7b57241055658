"""`python -m benchmarks.judging`: what a verdict costs beside the model's own time, and elsewhere.

Everything is measured against one local server with a fixed latency. Prints a table and, on the
last line, the figures as JSON; with the peers measured too, the table replaces results/judging.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.judging.environments import PEERS, Took, Unmeasured, measure_peer
from benchmarks.judging.floor import Floor, measure_floor
from benchmarks.judging.items import Item, items
from benchmarks.judging.ours import REPEATS, Ours, measure_ours
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
    """The benchmark's outcome; None: not measured, the table says why."""

    wall_over_ideal: float  # our wall ÷ the time that latency alone takes
    vs_inspect_ai: float | None  # its wall ÷ ours
    vs_deepeval: float | None
    ms_per_verdict: float  # CPU
    rescore_s: float


class _Line(NamedTuple):
    figure: str
    value: str
    how: str


class _PeerTook(NamedTuple):
    name: str
    an_item: Took | None
    how: str


def run(count: int, skip_peers: bool) -> tuple[JudgingFigures, str]:
    """The figures on so many items, and the table in Markdown."""
    found = items(count)
    with serving(LATENCY_S) as url, tempfile.TemporaryDirectory() as folder:
        floor = measure_floor(found, url, IN_FLIGHT)
        ours = measure_ours(found, url, IN_FLIGHT, Path(folder))
        peers = list(_peers(found, url, skip_peers))
    ours_s = ours.wall_s / count
    vs = {peer.name: peer.an_item and peer.an_item.wall_s / ours_s for peer in peers}
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


def _peers(found: list[Item], url: str, skip: bool) -> Iterator[_PeerTook]:
    for peer in PEERS:
        if skip:
            yield _PeerTook(peer.name, None, "not measured: --skip-peers")
            continue
        try:
            an_item = measure_peer(peer, found, url, IN_FLIGHT)
        except Unmeasured as error:
            yield _PeerTook(peer.name, None, f"not measured: {error}")
            continue
        scaled = f"scaled from {peer.most_items} items" if peer.most_items < len(found) else ""
        how = ", ".join(filter(None, (*peer.packages, "one run", scaled)))
        yield _PeerTook(peer.name, an_item, how)


def _ideal_s(count: int) -> float:
    return count / IN_FLIGHT * LATENCY_S


def _ours(ours: Ours, count: int) -> list[_Line]:
    walls = ", ".join(f"{wall:.2f}" for wall in ours.walls_s)
    return [
        _Line("our wall, s", f"{ours.wall_s:.2f}", f"median of {walls}; store and probe included"),
        _Line("our whole CPU, ms a verdict", f"{1000 * ours.cpu_s / count:.3f}", "HTTP included"),
        _Line(
            "our wait for a core, s",
            f"{ours.waited_s:.2f}",
            "of our wall; the doing of other processes, which no wall figure here is free of",
        ),
    ]


def _others(peers: list[_PeerTook], count: int) -> Iterator[_Line]:
    for name, an_item, how in peers:
        wall, cpu = "—", "—"
        if an_item:
            wall, cpu = f"{an_item.wall_s * count:.1f}", f"{1000 * an_item.cpu_s:.2f}"
        yield _Line(f"{name}'s wall, s", wall, how)
        yield _Line(f"{name}'s whole CPU, ms a verdict", cpu, "HTTP included")


def _floor(floor: Floor, count: int) -> list[_Line]:
    return [
        _Line(
            "bare wall ÷ ideal",
            f"{floor.wall_s / _ideal_s(count):.3f}",
            f"the server alone: {IN_FLIGHT} raw connections that only send and read",
        ),
        _Line(
            "server's CPU, ms a request",
            f"{1000 * floor.server_cpu_s / count:.3f}",
            "in its own process, under the bare load",
        ),
        _Line(
            "server's lateness, ms a reply",
            f"{1000 * floor.late_s / count:.3f}",
            f"beyond the {1000 * LATENCY_S:g} ms, under the bare load",
        ),
    ]


_HOW = {
    "wall_over_ideal": f"our wall ÷ (items / {IN_FLIGHT} × {LATENCY_S:g} s)",
    "vs_inspect_ai": "its wall ÷ ours; model_graded_qa by `score`, log written",
    "vs_deepeval": "its wall ÷ ours; GEval with given steps, one call a verdict",
    "ms_per_verdict": (
        "CPU of the judging process, the finished store standing in for a server without latency: "
        "requests built and hashed, replies read, evidence held against the data, verdicts; then "
        f"every reply stored anew. Without HTTP client and retries; median of {REPEATS}"
    ),
    "rescore_s": f"wall of judging all again from the store, no call; median of {REPEATS}",
}


def _table(figures: JudgingFigures, more: list[_Line]) -> str:
    lines = ["| figure | measured | limit | how |", "| --- | --- | --- | --- |"]
    for name, value in figures.model_dump().items():
        limit = f"≤ {LIMITS[name]:g}" if name in LIMITS else ""
        shown = "—" if value is None else f"{value:.3f}"
        lines.append(f"| {name} | {shown} | {limit} | {_HOW[name]} |")
    lines += [f"| {line.figure} | {line.value} | | {line.how} |" for line in more]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Measures and prints."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.judging", description=__doc__)
    made.add_argument("--skip-peers", action="store_true", help="measure only our judge")
    skip_peers = made.parse_args(argv).skip_peers
    measured = (
        f"{conditions(('aiohttp', 'jinja2', 'pydantic'))}\n{COUNT} items made from lakeside's "
        f"rows, {IN_FLIGHT} in flight, {1000 * LATENCY_S:g} ms."
    )
    figures, table = run(COUNT, skip_peers)
    text = f"# What a verdict costs\n\n{measured}\n\n{table}\n"
    publish(text, figures, None if skip_peers else _PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
