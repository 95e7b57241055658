"""A disk that is full while the report is written: one line, and the report of before stays."""

import os
import resource
from pathlib import Path

import pytest

from config.errors import DataError
from data.run_paths import RunPaths
from report.__main__ import write_report
from tests.report.run_fixture import make_run

FILES = ("report.json", "report.md", "report.html", "best/README.md")


@pytest.mark.reliability(line=5)
def test_ten_sizes(tmp_path: Path) -> None:
    """From a byte to a byte less than the largest file: every file is whole, old or new."""
    config = make_run(tmp_path)
    root = RunPaths.of(config).root
    write_report(config)
    before = {name: (root / name).read_bytes() for name in FILES}
    most = max(map(len, before.values()))
    for size in (1, 500, 4095, 4096, 4097, 10_000, most // 4, most // 2, most - 4096, most - 1):
        child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            ended = 1
            try:
                write_report(config)
            except DataError as error:
                ended = 2 if f"{root}/" in str(error) and "cannot write" in str(error) else 1
            finally:
                os._exit(ended)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2, size
        assert {name: (root / name).read_bytes() for name in FILES} == before
        assert not list(root.glob("**/*.tmp"))
    write_report(config)
    assert {name: (root / name).read_bytes() for name in FILES} == before
