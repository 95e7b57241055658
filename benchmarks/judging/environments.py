"""The systems to compare with, each in an environment of its own outside the checkout."""

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

_PATIENCE_S = 1800  # for an install, or for a run


class Peer(NamedTuple):
    """A system, what to install for it, and on how many items it is measured at most."""

    name: str
    packages: tuple[str, ...]
    most_items: int


# openai is held to one version, so that both peers speak through the same client
PEERS = (
    Peer("inspect_ai", ("inspect_ai==0.3.285", "openai==3.54.0"), 2000),
    Peer("deepeval", ("deepeval==4.3.1", "openai==3.54.0"), 500),  # some 80 ms an item
)


class Took(NamedTuple):
    """Seconds an item."""

    wall_s: float
    cpu_s: float


class Unmeasured(Exception):
    """Why there is no figure of a peer."""


def measure_peer(peer: Peer, items: list[Item], url: str, in_flight: int) -> Took:
    """What an item took. Raises Unmeasured when the peer cannot be installed or run."""
    python = _python_of(peer)
    script = ROOT / "benchmarks" / "judging" / "peers" / f"{peer.name}_judge.py"
    some = items[: peer.most_items]
    with tempfile.TemporaryDirectory() as folder:  # peers write logs and caches where they are run
        path = Path(folder) / "items.jsonl"
        write_items(path, some)
        said = _run([str(python), str(script), str(path), url, str(in_flight)], Path(folder))
    found = json.loads(said.splitlines()[-1])
    if found["scored"] != len(some):
        raise Unmeasured(f"{peer.name} scored {found['scored']} of {len(some)}")
    return Took(found["wall_s"] / len(some), found["cpu_s"] / len(some))


def _python_of(peer: Peer) -> Path:
    """The peer's Python, made on first use."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = f"{peer.name}-{digest(peer.packages)[:8]}"
    folder = base / "unprompted" / "benchmarks" / place
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], ROOT)
        _run([str(python), "-m", "pip", "install", "-q", *peer.packages], ROOT)
        ready.touch()
    return python


def _run(command: list[str], folder: Path) -> str:
    """What a command printed. Raises Unmeasured with the last line of what it complained."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unmeasured(f"not done after {_PATIENCE_S} s") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no word"]
        raise Unmeasured(f"{command[1]}: exit {done.returncode}: {last[0][:200]}")
    return done.stdout
