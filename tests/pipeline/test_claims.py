"""Claims: who comes second is told who is first, for as long as any child of the first lives."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest

import student.__main__
from config.checkout import ROOT
from config.child_group import WATCHER_GRACE_S
from config.cli import run_command
from config.errors import DataError
from data.file_lock import claim, lock_file
from tests.student.run_factory import experiment, tiny_model

HOLDER = """
import sys
from pathlib import Path
from data.file_lock import claim
with claim(Path(sys.argv[1]), "student/a", "best"):
    print("claimed", flush=True)
    sys.stdin.read()
"""
# A stage that ignores SIGTERM, as one in a long call of a library does, and writes its number.
STAGE = """
import os, pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("{pid}").write_text(f"{{os.getpid()}} ")
time.sleep(60)
"""
PIPELINE = """
import sys
from pathlib import Path
from data.file_lock import claim
from pipeline.child import run_child
with claim(Path(sys.argv[1]), "run"):
    run_child(["stubborn_stage"], Path(sys.argv[1], "log"), "stage")
"""


def start(program: str, *words: str, path: str = "") -> "subprocess.Popen[str]":
    """A process that runs this program; `path`: a folder of further modules."""
    env = os.environ | {"PYTHONPATH": f"{ROOT}:{path}"}
    command = [sys.executable, "-c", program, *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=env, stdin=pipe, stdout=pipe, text=True)


def refusal(root: Path, part: str) -> str | None:
    """The line that a second command ends with; None where it may go on."""
    try:
        with claim(root, part):
            return None
    except DataError as error:
        return str(error)


def test_the_second_is_told_who_and_what_to_do(tmp_path: Path) -> None:
    """Process, command and way out; an override may hold a secret, and other parts are free."""
    holder = start(HOLDER, str(tmp_path), "judge.llm.api_key=canary")
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "claimed\n"
        for part in ("student/a", "best"):
            line = refusal(tmp_path, part)
            assert line is not None and "\n" not in line and "canary" not in line
            assert line.startswith(f"{tmp_path / part}: process {holder.pid} is writing it (")
            assert line.endswith(f"; wait for it or end it: kill {holder.pid}")
        assert refusal(tmp_path, "student/b") is None
    finally:
        holder.kill()
        holder.communicate()
    assert refusal(tmp_path, "best") is None  # a killed holder without children holds nothing


@pytest.mark.reliability(line=2)
def test_a_second_training_is_refused_20_of_20(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first `student train` is stopped as soon as it has claimed its folder, before it loads
    the model, and 20 others come: each ends with exit code 2 and names its process.
    """
    config = experiment(tmp_path, tiny_model(tmp_path / "model"))
    command = [sys.executable, "-m", "student", str(config), "train"]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        wait_for_claim(tmp_path / "t" / "claims", first)
        first.send_signal(signal.SIGSTOP)
        handler = signal.getsignal(signal.SIGTERM)
        monkeypatch.setattr("sys.argv", ["student", str(config), "train"])
        capsys.readouterr()  # of saving the model
        for _ in range(20):
            with pytest.raises(SystemExit) as end:
                run_command(student.__main__.main)
            line = capsys.readouterr().err
            assert end.value.code == 2 and line.count("\n") == 1
            assert f"student/s: process {first.pid} is writing it (python -m student " in line
        signal.signal(signal.SIGTERM, handler)  # a command sets its own
    finally:
        first.kill()
        first.communicate()
    assert refusal(tmp_path / "t", "student/s") is None


def wait_for_claim(claims: Path, holder: "subprocess.Popen[bytes]") -> None:
    """Returns once a file of claims names the process; claiming it here could refuse the holder."""
    deadline = time.monotonic() + 120
    while not any(
        lock.read_bytes().startswith(b"%d\n" % holder.pid) for lock in claims.rglob("*.lock")
    ):
        assert time.monotonic() < deadline and holder.poll() is None, "it claimed nothing"
        time.sleep(0.01)


def test_waiting_says_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder ends once the line is printed, and the claim is had then."""
    holder = start(HOLDER, str(tmp_path))
    assert holder.stdin is not None and holder.stdout is not None
    assert holder.stdout.readline() == "claimed\n"
    screen = Screen(holder.stdin)
    monkeypatch.setattr(sys, "stderr", screen)
    with claim(tmp_path, "best", wait=True):
        assert holder.wait(30) == 0
    assert f"waiting: {tmp_path / 'best'}: process {holder.pid} " in screen.getvalue()
    holder.stdout.close()


class Screen(io.StringIO):
    """Ends a holder's input as soon as a line is printed."""

    def __init__(self, holder: IO[str]) -> None:
        super().__init__()
        self.holder = holder

    def write(self, text: str) -> int:
        count = super().write(text)
        if text.endswith("\n"):
            self.holder.close()
        return count


def test_a_stage_that_outlives_its_pipeline_keeps_the_run_claimed(tmp_path: Path) -> None:
    """After SIGKILL of the pipeline its stage lives until the watcher's grace is over. At no moment
    is the run free while the stage lives, and then it is free within seconds.
    """
    pid_file = tmp_path / "pid"
    (tmp_path / "stubborn_stage.py").write_text(STAGE.format(pid=pid_file))
    pipeline = start(PIPELINE, str(tmp_path), path=str(tmp_path))
    deadline = time.monotonic() + 60
    while not (pid_file.exists() and pid_file.read_text().endswith(" ")):
        assert time.monotonic() < deadline, "the stage did not start"
        time.sleep(0.05)
    stage = int(pid_file.read_text())
    pipeline.kill()
    pipeline.wait()  # the watcher has its output open still
    killed = time.monotonic()
    line = refusal(tmp_path, "run")
    assert line is not None and f"process {pipeline.pid} " in line
    assert "has ended, but what it started is writing still" in line
    assert str(stage) in line.rsplit("kill -9 ", 1)[1].split()
    while is_alive(stage):
        assert refusal(tmp_path, "run") is not None or not is_alive(stage)
        time.sleep(0.05)
    assert time.monotonic() - killed > WATCHER_GRACE_S / 2
    deadline = time.monotonic() + 10
    while refusal(tmp_path, "run") is not None:
        assert time.monotonic() < deadline, "nobody lives, and the run is claimed"
        time.sleep(0.05)
    pipeline.communicate()


def is_alive(pid: int) -> bool:
    """Whether a process exists and has not ended; a zombie has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def test_a_lock_of_another_machine_is_not_to_be_killed_here(tmp_path: Path) -> None:
    """On a shared disk the number is of a process elsewhere. Noise in the file is no fault."""
    path = tmp_path / "a"
    with lock_file(path):
        lock = path.with_name("a.lock")
        for content, expected in (
            (
                b"7\nnode7\npython -m teacher",
                "process 7 on node7 is writing it (python -m teacher)",
            ),
            (b"\xff\x00", "on another machine is writing it"),
            (b"", "process unknown on another machine is writing it"),
        ):
            lock.write_bytes(content)
            with pytest.raises(DataError) as refused:
                lock_file(path)
            assert expected in str(refused.value) and "kill" not in str(refused.value)


def test_a_run_without_a_folder_gets_none(tmp_path: Path) -> None:
    """A misspelt name of a run leaves nothing behind."""
    with claim(tmp_path / "none", "judge"):
        assert not (tmp_path / "none").exists()
