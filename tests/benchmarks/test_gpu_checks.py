"""The checks for a card run on a CPU too, on a random model of two layers."""

from pathlib import Path

import pytest

from benchmarks.gpu_checks.__main__ import GpuChecks, run_checks
from benchmarks.gpu_checks.small_trainings import TrainingCheck, small_students, tiny_chat_model

CHOSEN = ("prefix_tuning, ce", "qlora, ce", "lora, kl to the prompted base")


@pytest.mark.slow
def test_trainings_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A virtual prefix, and an adapter that reads the prompted base: losses fall, and the saved
    weights give what was trained. qlora is left out without a card."""
    result = run_checks(tiny_chat_model(tmp_path / "model"), tmp_path, 120, CHOSEN)
    assert [check.name for check in result.checks if check.passed] == [CHOSEN[0], CHOSEN[2]]
    assert result.left_out == {"qlora, ce": "there is no card with CUDA"}
    output = capsys.readouterr().out
    assert output.count("ok        ") == 2 and "as served" in output


def test_a_training_that_fails_is_a_verdict(tmp_path: Path) -> None:
    """Without a model every training fails in one line, and the next one is tried; without time
    none begins."""
    result = run_checks(tmp_path / "none", tmp_path, 120, CHOSEN[::2])
    assert [check.passed for check in result.checks] == [False, False]
    assert all("\n" not in check.detail and "none" in check.detail for check in result.checks)
    assert isinstance(result, GpuChecks) and isinstance(result.checks[0], TrainingCheck)
    late = run_checks(tmp_path / "none", tmp_path, -1.0, CHOSEN)
    assert not late.checks and set(late.left_out) == set(CHOSEN)


def test_every_method_and_objective_is_trained() -> None:
    """The kinds of methods and objectives that the settings have."""
    students = small_students()
    assert {student["method"]["kind"] for student in students.values()} == {
        *("lora", "rslora", "dora", "qlora", "ia3"),
        *("p_tuning", "prompt_tuning", "prefix_tuning", "full"),
    }
    objectives = [student["objective"] for student in students.values() if "objective" in student]
    assert {objective["kind"] for objective in objectives} == {"kl", "on_policy"}
