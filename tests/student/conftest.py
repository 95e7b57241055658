"""The small model and its students, trained once for all tests of this folder."""

from collections.abc import Callable

import pytest

from tests.student.learning import Learnt, learnt, small_model

Learn = Callable[[str], Learnt]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The model of all tests here."""
    return small_model(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def learn(small: str, tmp_path_factory: pytest.TempPathFactory) -> Learn:
    """Trained students by name, each trained once."""
    made: dict[str, Learnt] = {}

    def student(name: str) -> Learnt:
        if name not in made:
            made[name] = learnt(small, name, tmp_path_factory.mktemp(name))
        return made[name]

    return student
