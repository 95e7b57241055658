"""The files of a whole run, made once."""

import pytest

from report.run_files import RunFiles
from tests.report.run_fixture import read_fixture


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> RunFiles:
    """The files of a whole run."""
    return read_fixture(tmp_path_factory.mktemp("run"))
