"""Commands of the student in processes forked from one that has imported torch and TRL already.

Their imports take longer than what most tests let them do. test_distributed.py starts
`python -m student` itself.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.process import BaseProcess
from pathlib import Path

from student.__main__ import main
from tests.student.run_factory import ROOT


def start_forked(function: Callable[..., None], *arguments: object) -> BaseProcess:
    """A process that calls a function of a module."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["student.train", "student.search.search", "trl", "peft"])
    process = processes.Process(target=function, args=arguments)
    process.start()
    return process


def start_command(words: Sequence[str], output: Path) -> BaseProcess:
    """`python -m student WORDS` in the checkout, with what it prints in `output`."""
    return start_forked(run_in_checkout, words, output)


def run_in_checkout(words: Sequence[str], output: Path) -> None:
    """The child: ends with the command's exit code."""
    os.chdir(ROOT)
    with output.open("w", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        sys.exit(main(words))
