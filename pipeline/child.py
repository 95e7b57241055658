"""Runs one stage's command: its output goes to a log, its progress to the terminal."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from config.checkout import ROOT
from config.child_group import child_group
from config.cli import FAULT_CODE
from config.console import print, visible
from config.progress import PROGRESS_FILE, latest_event

_POLL_S = 0.2
_TERMINAL_S = 1.0  # seconds between two drawings of the bar
_QUIET_S = 30.0
_TAIL_LINES = 5  # of the log, shown when a command fails without an error line


def run_child(command: Sequence[str], log: Path, label: str, quiet_s: float = _QUIET_S) -> int:
    """The command's exit code. The child ends with this process, however it ends.

    `quiet_s`: seconds between two lines of progress when the output is no terminal.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    progress = log.with_suffix(".progress.jsonl")
    progress.unlink(missing_ok=True)
    with log.open("wb") as output:
        # -P: no file of the current folder takes the place of one of our modules
        words = [sys.executable, "-P", "-u", "-m", *command]
        python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        env = {PROGRESS_FILE: str(progress.resolve()), "PYTHONPATH": python_path}
        env = os.environ | env
        with child_group(words, output, env, end_s=None) as process:
            _show_progress(process, progress, label, quiet_s)
            return process.wait()


def _show_progress(
    process: "subprocess.Popen[bytes]", progress: Path, label: str, quiet_s: float
) -> None:
    """Shows the child's latest progress event until the child ends."""
    terminal = sys.stdout.isatty()
    pause = _TERMINAL_S if terminal else quiet_s
    shown, last = None, time.monotonic()
    while process.poll() is None:
        time.sleep(_POLL_S)
        if time.monotonic() - last < pause:
            continue
        last = time.monotonic()
        event = latest_event(progress)
        if event is None or event == shown:
            continue
        shown = event
        if terminal:
            columns = shutil.get_terminal_size().columns - len(label) - 3
            _draw(f"{label}: {event.meter(max(columns, 1))}")
        else:
            print(f"  {label}: {event.meter(0)}", flush=True)
    if terminal:
        _draw("")


def _draw(line: str) -> None:
    """Replaces the terminal's last line."""
    sys.stdout.write(f"\r\033[K{visible(line)}")
    sys.stdout.flush()


def warnings_of(log: Path) -> list[str]:
    """The log's lines that begin with `warning: `: what the user should read in the terminal."""
    lines = log.read_text("utf-8", "replace").splitlines()
    return [line for line in lines if line.startswith("warning: ")]


def failure_reason(log: Path, code: int) -> str:
    """The log's last error line, or the exit code with the last lines of the log.

    Of several mistakes at the log's end it is the first, with their number. A command that ends
    with a fault has none: an error line in its log was about something else.
    """
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if errors and code not in (1, FAULT_CODE):
        at_once = len(list(takewhile(lambda line: line.startswith("error: "), reversed(lines))))
        count = f" (1 of {at_once} mistakes; all are in {log})" if at_once > 1 else ""
        return errors[-max(at_once, 1)].removeprefix("error: ") + count
    return "\n  ".join([f"exit code {code}; the log's last lines ({log}):", *lines[-_TAIL_LINES:]])
