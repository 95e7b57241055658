"""`python -m benchmarks.judging`: the judge's own cost per verdict, and that of other judges.

All are measured against a local server with a fixed latency. Prints a table and, on the last line,
the figures as JSON. With the peers measured too, the table replaces results/judging.md.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.judging.floor import measure_floor
from benchmarks.judging.items import Item, make_items
from benchmarks.judging.our_judge import REPEATS, measure_our_judge
from benchmarks.judging.peer import PEERS, Peer, PeerTimes, Unmeasured, measure_peer
from benchmarks.judging.server import serving
from benchmarks.result_page import Limit, conditions, limits_table, publish
from config.checkout import ROOT
from data.records import Record

COUNT = 2000
IN_FLIGHT = 64
LATENCY_S = 0.05
_PAGE = ROOT / "benchmarks" / "results" / "judging.md"


class JudgingFigures(Record):
    """The figures; None: not measured, the table says why."""

    wall_over_ideal: float  # our wall time ÷ the server's latency in sequence
    vs_inspect_ai: float | None  # its wall ÷ ours
    vs_deepeval: float | None
    ms_per_verdict: float  # CPU
    rescore_s: float


JUDGING_LIMITS = {
    "wall_over_ideal": Limit("≤", 1.15, f"our wall ÷ (items / {IN_FLIGHT} × {LATENCY_S:g} s)"),
    "vs_inspect_ai": Limit("", None, "its wall ÷ ours; model_graded_qa by `score`, log written"),
    "vs_deepeval": Limit("", None, "its wall ÷ ours; GEval with given steps, one call per verdict"),
    "ms_per_verdict": Limit(
        "≤",
        0.3,
        "CPU of the judging process, with the complete cache in place of a server: requests built "
        "and hashed, replies parsed, evidence checked, verdicts built; then every reply written "
        f"to a new file. Without HTTP client and retries; median of {REPEATS}",
    ),
    "rescore_s": Limit(
        "≤", 2.0, f"wall of judging all again from the cache, no call; median of {REPEATS}"
    ),
}


def run(count: int, skip_peers: bool) -> tuple[JudgingFigures, str]:
    """The figures on `count` items, and the table in Markdown."""
    items = make_items(count)
    with serving(LATENCY_S) as url, tempfile.TemporaryDirectory() as folder:
        floor = measure_floor(items, url, IN_FLIGHT)
        ours = measure_our_judge(items, url, IN_FLIGHT, Path(folder))
        peers = {peer.name: _measure(peer, items, url, skip_peers) for peer in PEERS}
    ideal_s = count / IN_FLIGHT * LATENCY_S
    vs = {name: times and times.wall_s * count / ours.wall_s for name, (times, _) in peers.items()}
    figures = JudgingFigures(
        wall_over_ideal=ours.wall_s / ideal_s,
        vs_inspect_ai=vs["inspect_ai"],
        vs_deepeval=vs["deepeval"],
        ms_per_verdict=1000 * ours.own_cpu_s / count,
        rescore_s=ours.rescore_s,
    )
    walls = ", ".join(f"{wall:.2f}" for wall in ours.walls_s)
    rows = [
        ("our wall, s", f"{ours.wall_s:.2f}", f"median of {walls}; with cache and probe"),
        ("our whole CPU, ms per verdict", f"{1000 * ours.cpu_s / count:.3f}", "HTTP included"),
        (
            "our wait for a core, s",
            f"{ours.waited_s:.2f}",
            "of our wall, while other processes ran; every wall figure here contains such waits",
        ),
    ]
    for name, (times, how) in peers.items():
        wall = f"{times.wall_s * count:.1f}" if times else "—"
        cpu = f"{1000 * times.cpu_s:.2f}" if times else "—"
        rows.append((f"{name}'s wall, s", wall, how))
        rows.append((f"{name}'s whole CPU, ms per verdict", cpu, "HTTP included"))
    rows += [
        (
            "bare wall ÷ ideal",
            f"{floor.wall_s / ideal_s:.3f}",
            f"the server alone: {IN_FLIGHT} raw connections that only send and read",
        ),
        (
            "server's CPU, ms per request",
            f"{1000 * floor.server_cpu_s / count:.3f}",
            "in its own process, under the bare load",
        ),
        (
            "server's lateness, ms per reply",
            f"{1000 * floor.late_s / count:.3f}",
            f"beyond the {1000 * LATENCY_S:g} ms, under the bare load",
        ),
    ]
    lines = limits_table(figures, JUDGING_LIMITS)
    lines += [f"| {figure} | {value} | | {how} |" for figure, value, how in rows]
    return figures, "\n".join(lines)


def _measure(peer: Peer, items: list[Item], url: str, skip: bool) -> tuple[PeerTimes | None, str]:
    """A peer's times per item, None when not measured, and how or why not."""
    if skip:
        return None, "not measured: --skip-peers"
    try:
        times = measure_peer(peer, items, url, IN_FLIGHT)
    except Unmeasured as error:
        return None, f"not measured: {error}"
    scaled = [f"scaled from {peer.most_items} items"] if peer.most_items < len(items) else []
    return times, ", ".join((*peer.packages, "one run", *scaled))


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
