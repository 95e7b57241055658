"""The small model and its students, trained once for all tests of this folder."""

from collections.abc import Callable

import pytest

from tests.student.trained_students import TrainedStudent, small_model, train_student

TrainStudent = Callable[[str], TrainedStudent]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The model of all tests here."""
    return small_model(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def learn(small: str, tmp_path_factory: pytest.TempPathFactory) -> TrainStudent:
    """Trained students by name, each trained once."""
    students: dict[str, TrainedStudent] = {}

    def student(name: str) -> TrainedStudent:
        if name not in students:
            students[name] = train_student(small, name, tmp_path_factory.mktemp(name))
        return students[name]

    return student
