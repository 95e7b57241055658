"""`python -m benchmarks.hostile`: time and memory of one request to each hostile server.

Prints a table and, on the last line, the figures as JSON. The table replaces results/hostile.md.
"""

import asyncio
import sys
import time
from collections.abc import Sequence

from benchmarks.hostile.hostile_replies import REPLIES
from benchmarks.hostile.hostile_server import hostile_url, serving_hostile
from benchmarks.resident_memory import extra_resident_mb
from benchmarks.result_page import conditions, publish
from config.checkout import ROOT
from config.errors import UnpromptedError
from config.judging import ServerSettings
from data.records import Record
from wire.client import RetryPolicy, ServerClient
from wire.completion import read_completion
from wire.no_reply import NoReply

TIMEOUT_S = 3.0
_POLICY = RetryPolicy(attempts=2, first_wait_s=0.01, longest_wait_s=0.1)
_PAGE = ROOT / "benchmarks" / "results" / "hostile.md"


class HostileFigures(Record):
    """What one request costs, by the server's reply."""

    most_memory_mb: float  # of all
    most_wall_s: float
    memory_mb: dict[str, float]  # peak resident memory above the level before, 10⁶ bytes
    wall_s: dict[str, float]


def measure(
    server: str, names: Sequence[str], timeout_s: float = TIMEOUT_S
) -> tuple[HostileFigures, dict[str, str]]:
    """The figures, and by reply the line with which its request ended."""
    memory_mb: dict[str, float] = {}
    wall_s: dict[str, float] = {}
    lines: dict[str, str] = {}
    _ask(
        hostile_url(server, "a whole reply, unpacked 1 MiB"), timeout_s
    )  # libraries allocate their caches

    for name in names:

        def step(name: str = name) -> None:
            start = time.perf_counter()
            lines[name] = _ask(hostile_url(server, name), timeout_s)
            wall_s[name] = time.perf_counter() - start

        memory_mb[name] = extra_resident_mb(step)
    figures = HostileFigures(
        most_memory_mb=max(memory_mb.values()),
        most_wall_s=max(wall_s.values()),
        memory_mb=memory_mb,
        wall_s=wall_s,
    )
    return figures, lines


def _ask(url: str, timeout_s: float) -> str:
    """How a request to the server ends, in one line."""
    return asyncio.run(_request(url, timeout_s))


async def _request(url: str, timeout_s: float) -> str:
    settings = ServerSettings(base_url=url, model="m", api_key_env="", timeout_s=timeout_s)
    client = ServerClient("judge.llm", url, settings, _POLICY, read_completion)
    try:
        reply = await client.ask(b'{"model": "m", "messages": []}')
    except (NoReply, UnpromptedError) as error:
        return str(error).replace(url, "URL")
    finally:
        await client.close()
    return f"a reply of {len(reply.text):,} characters"


def table(figures: HostileFigures, lines: dict[str, str]) -> str:
    """The figures in Markdown."""
    rows = [
        "| the server sends | wall, s | memory, MB | the request ends with |",
        "|---|---|---|---|",
    ]
    for name, line in lines.items():
        shown = line[:100].encode("ascii", "replace").decode().replace("|", " ")
        rows.append(
            f"| {name} | {figures.wall_s[name]:.2f} | {figures.memory_mb[name]:.0f} | {shown} |"
        )
    return "\n".join(rows)


def main() -> int:
    """Measures and prints; the exit code."""
    setup = (
        f"{conditions(('aiohttp', 'pydantic'))}\nOne request to each server, {_POLICY.attempts} "
        f"attempts of at most {TIMEOUT_S:g} s where the fault may pass. Memory: the client's peak "
        "above its level before the request, 10⁶ bytes."
    )
    with serving_hostile() as server:
        figures, lines = measure(server, tuple(REPLIES))
    text = f"# What hostile servers cost\n\n{setup}\n\n{table(figures, lines)}\n"
    publish(text, figures, _PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
