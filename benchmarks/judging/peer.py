"""The other judges under comparison, each in its own environment outside the checkout."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.judging.items import Item, write_items
from config.checkout import ROOT
from data.records import digest

_TIMEOUT_S = 1800  # of an installation, or of a run


class Peer(NamedTuple):
    """Another judge: its packages, and the maximum of items to measure it on."""

    name: str
    packages: tuple[str, ...]
    most_items: int


# one version of openai, so that both peers use the same client
PEERS = (
    Peer("inspect_ai", ("inspect_ai==0.3.285", "openai==3.54.0"), 2000),
    Peer("deepeval", ("deepeval==4.3.1", "openai==3.54.0"), 500),  # some 80 ms an item
)


class PeerTimes(NamedTuple):
    """Seconds per item."""

    wall_s: float
    cpu_s: float


class Unmeasured(Exception):
    """A peer could not be measured; the message says why."""


def measure_peer(peer: Peer, items: list[Item], url: str, in_flight: int) -> PeerTimes:
    """Seconds per item. Raises Unmeasured when the peer cannot be installed or run."""
    python = _python_of(peer)
    script = ROOT / "benchmarks" / "judging" / "peers" / f"{peer.name}_judge.py"
    subset = items[: peer.most_items]
    with tempfile.TemporaryDirectory() as folder:  # peers write logs and caches to their folder
        path = Path(folder) / "items.jsonl"
        write_items(path, subset)
        output = _run([str(python), str(script), str(path), url, str(in_flight)], Path(folder))
    result = json.loads(output.splitlines()[-1])
    if result["scored"] != len(subset):
        raise Unmeasured(f"{peer.name} scored {result['scored']} of {len(subset)}")
    return PeerTimes(result["wall_s"] / len(subset), result["cpu_s"] / len(subset))


def _python_of(peer: Peer) -> Path:
    """The peer's Python; its environment is created on first use."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = f"{peer.name}-{digest(peer.packages)[:8]}"
    folder = base / "unprompted" / "benchmarks" / name
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], ROOT)
        _run([str(python), "-m", "pip", "install", "-q", *peer.packages], ROOT)
        ready.touch()
    return python


def _run(command: list[str], folder: Path) -> str:
    """The output of a command. Raises Unmeasured with the last line of its error output."""
    try:
        process = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unmeasured(f"not finished after {_TIMEOUT_S} s") from None
    if process.returncode:
        last = process.stderr.strip().splitlines()[-1:] or ["no error output"]
        raise Unmeasured(f"{command[1]}: exit {process.returncode}: {last[0][:200]}")
    return process.stdout
