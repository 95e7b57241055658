"""Runs one stage's command: its words go to a log, its progress bar to the terminal."""

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_BAR = re.compile(r"([^\r\n]*\d+%\|[^\r\n]*)")  # a tqdm bar
_TAIL = 4000  # bytes of the log in which the newest bar is looked for
_QUIET_S = 30.0  # seconds between progress lines when the output is no terminal


def run_child(command: Sequence[str], log: Path, label: str) -> int:
    """The command's exit code. The child ends when this process is told to end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", *command], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _watch(process, log, label)
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def _watch(process: "subprocess.Popen[bytes]", log: Path, label: str) -> None:
    """Shows the newest progress bar of the log until the process ends."""
    terminal = sys.stdout.isatty()
    shown, last = "", time.monotonic()
    while process.poll() is None:
        time.sleep(0.2)
        pause = 1.0 if terminal else _QUIET_S
        if time.monotonic() - last < pause:
            continue
        last = time.monotonic()
        bar = newest_bar(log)
        if bar and bar != shown:
            shown = bar
            if terminal:
                print(f"\r\033[K{label}: {bar[:100]}", end="", flush=True)
            else:
                print(f"  {label}: {bar[:140]}", flush=True)
    if terminal:
        print("\r\033[K", end="", flush=True)


def newest_bar(log: Path) -> str:
    """The last progress bar in a log; empty when there is none near its end."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL))
        bars: list[str] = _BAR.findall(file.read().decode("utf-8", "replace"))
    return re.sub(r"\s*\|[^|]*\|\s*", " ", bars[-1]).strip() if bars else ""


def said(log: Path) -> list[str]:
    """The lines of a log that are no progress bars: what a command reports."""
    text = log.read_text("utf-8", "replace").replace("\r", "\n")
    return [line for line in text.splitlines() if line.strip() and "%|" not in line]
