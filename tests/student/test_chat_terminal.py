"""The chat in a real terminal."""

import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

from config.checkout import ROOT
from tests.student.chat_settings import chat_settings
from tests.student.conftest import TrainStudent
from tests.student.trained_students import ANSWER

QUESTION = "Say hi."
PROGRAM = """
import signal, sys
from config.cli import run_command
from student.chat import main
signal.signal(signal.SIGINT, signal.default_int_handler)
run_command(lambda: main(sys.argv[1:]))
"""


def test_ctrl_c_ends_a_terminal(small: str, learn: TrainStudent, tmp_path: Path) -> None:
    """A real terminal: the answer appears, the end is clean. Ctrl-D takes the way of /quit."""
    settings = chat_settings(tmp_path, small, learn("lora").served)
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, str(settings)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=follower, stdout=follower, stderr=follower, start_new_session=True
    )
    os.close(follower)
    output = ""
    try:
        output += _read_until(leader, "> ")
        os.write(leader, f"{QUESTION}\n".encode())
        output += _read_until(leader, f"{ANSWER}\r\n> ")
        _press_ctrl_c(process, leader)
        assert process.wait(timeout=60) == 0, output
    finally:
        process.kill()
        os.close(leader)
    assert "student/s of c, without the prompt" in output and "Traceback" not in output


def _press_ctrl_c(process: subprocess.Popen[bytes], terminal: int) -> None:
    """Interrupts the chat until its terminal shows that it noticed.

    CPython's input() shows its prompt before it waits in select(2), and a signal between the two
    does not wake the select. A person presses again.
    """
    for _ in range(6):
        process.send_signal(signal.SIGINT)
        if select.select([terminal], [], [], 10.0)[0]:
            return
    raise AssertionError("the chat did not notice Ctrl-C")


def _read_until(terminal: int, text: str) -> str:
    """What a terminal shows, up to a text; fails where the chat ends before, however long its
    imports take."""
    output = ""
    while text not in output:
        try:
            output += os.read(terminal, 4096).decode("utf-8", "replace")
        except OSError:  # the other end is closed
            raise AssertionError(output) from None
    return output
