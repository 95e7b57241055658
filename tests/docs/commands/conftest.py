"""One finished run, made as README.md and docs/own-logs.md show it, for all scenarios."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.checkout import ROOT
from tests.docs.commands.catalogue import read_catalogue
from tests.docs.commands.desk import Desk, Ended, small_experiment

Play = Callable[..., dict[str, Ended]]


@dataclass(frozen=True)
class FinishedRun:
    """The folder with a finished run, and how the commands that made it ended."""

    folder: Path
    ended: Mapping[str, Ended]


def play_scenario(
    desk: Desk,
    name: str,
    before: Mapping[str, Callable[[], object]] | None = None,
    answers: Mapping[str, str] | None = None,
    codes: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, Ended]:
    """Runs the commands of a scenario in order; returns how each ended.

    `before`: what a reader does before a command; `answers`: what is typed into it; `codes`: the
    exit codes that it may have, where not 0 alone.
    """
    ended = {}
    for command in read_catalogue().run[name]:
        (before or {}).get(command, lambda: None)()
        result = desk.type(command, (answers or {}).get(command, ""))
        assert result.code in (codes or {}).get(command, (0,)), (command, result)
        ended[command] = result
    return ended


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """The folder `mine` with the run of 30 logged questions, and `my.yaml` as `experiment.yaml`."""
    folder = tmp_path_factory.mktemp("desk") / "mine"
    shutil.copytree(ROOT / "tests/front_door/en", folder)
    desk = Desk(folder)
    edit = {"unprompted judge experiment.yaml try-rules": lambda: small_experiment(desk)}
    chat = {"unprompted chat experiment.yaml": "When does the library open?\n"}
    ended = play_scenario(desk, "first_run", edit, chat)
    shutil.copy(folder / "experiment.yaml", folder / "my.yaml")
    return FinishedRun(folder, ended)


@pytest.fixture
def desk(finished_run: FinishedRun, tmp_path: Path) -> Desk:
    """A copy of the finished folder, for one scenario."""
    return Desk(shutil.copytree(finished_run.folder, tmp_path / "mine"))
