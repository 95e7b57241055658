"""A whole run, made once."""

import pytest

from report.gather import RunFiles
from tests.report.made import gathered


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFiles:
    """A whole run."""
    return gathered(tmp_path_factory.mktemp("made"))
