"""Gates refuse scores of other rules, of another student, or none."""

from pathlib import Path

import pytest

from config.errors import DataError
from data.run_paths import RunPaths
from tests.judge.gate.test_gate import gated, scored
from tests.judge.run_folder import BRIEF, LINK, make_run


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """Judged by LINK and BRIEF."""
    return scored(make_run(tmp_path, (LINK, BRIEF)))


def test_not_judged(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="judge CONFIG score"):
        gated(make_run(tmp_path), strict_min=0.5)


def test_rules_changed_since(run: RunPaths) -> None:
    rules = run.root / "rules.yaml"
    rules.write_text(rules.read_text("utf-8").replace("max_words: 3", "max_words: 4"))
    with pytest.raises(DataError, match="other rules"):
        gated(run, strict_min=0.5)


def test_another_best_student(run: RunPaths) -> None:
    run.choice.write_text('{"best": "b"}')
    with pytest.raises(DataError, match="best student, student/b; run"):
        gated(run, strict_min=0.5)
