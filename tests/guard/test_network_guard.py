"""The guard that keeps child processes of tests off the network."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.guard.environment import guarded_environment


@pytest.mark.reliability(line=23)
def test_the_guard_guards() -> None:
    """A look-up and a connection are refused and told of, as tests/test_loop.py relies on."""
    code = (
        "import socket\n"
        "for call in (lambda: socket.create_connection(('example.org', 443)),\n"
        "             lambda: socket.socket().connect(('192.0.2.1', 80))):\n"
        "    try: call()\n"
        "    except OSError as error: print(error)\n"
        "socket.getaddrinfo('localhost', 80)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        env=guarded_environment(Path("/dev/null")),
        capture_output=True,
        text=True,
    )
    assert process.stdout.count("guarded: ") == 2 and process.returncode == 0, process.stderr
