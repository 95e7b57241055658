"""How a command ends (signals, user mistakes, a closed reader), and that `--help` stays light."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WAITS = """
import time
from config.cli import run_command
def main():
    print("started", flush=True)
    time.sleep(60)
    return 0
run_command(main)
"""
FAILS = """
from config.cli import run_command
from config.errors import DataError
def main():
    raise DataError("rows.jsonl:3: no question; give one")
run_command(main)
"""
HEAVY = ("torch", "transformers", "scipy", "vllm", "pyarrow", "pydantic", "numpy", "openai")
HELP = f"""
import runpy, sys
room = sys.argv[1]
sys.argv = [room, "--help"]
try:
    runpy.run_module(room, run_name="__main__")
except SystemExit as end:
    print("imported:", *[name for name in {HEAVY} if name in sys.modules])
    sys.exit(end.code)
"""


def started(program: str) -> "subprocess.Popen[str]":
    """A command in a process of its own."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("room", ["pipeline", "teacher", "student", "judge", "report"])
def test_help_imports_no_heavy_package(room: str) -> None:
    """A heavy import at the top of a command makes users wait seconds for its `--help`."""
    ended = subprocess.run(
        [sys.executable, "-c", HELP, room], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert "usage:" in ended.stdout
    assert ended.stdout.endswith("imported:\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_command_with_its_own_code(number: signal.Signals, code: int) -> None:
    """Schedulers tell "stopped" from "failed" by 143 and 130; no traceback is shown."""
    process = started(WAITS)
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in errors


def test_a_users_mistake_is_one_line_and_exit_2() -> None:
    """The line names the place and the way out, and nothing else is printed."""
    _, errors = (process := started(FAILS)).communicate(timeout=30)
    assert process.returncode == 2
    assert errors == "error: rows.jsonl:3: no question; give one\n"
