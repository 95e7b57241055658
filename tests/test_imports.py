"""The direction of imports between rooms, read from the source: a room that looks back is a bug."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {
    "config": set[str](),
    "data": {"config"},
    "prompts": {"config", "data"},
    "wire": {"config"},
    "engine": {"config", "data", "prompts", "wire"},
    # judge starts the embedded model's server, and nothing else of engine
    "judge": {"config", "data", "prompts", "wire", "engine.vllm_server"},
    "teacher": {"config", "data", "prompts", "engine", "judge"},
    "student": {"config", "data", "prompts", "engine", "judge"},
    "report": {
        *("config", "data", "prompts", "teacher.audit", "student.records"),
        # a view only shows: report reads the judge's records from disk and measures nothing
        *("judge.records", "judge.summary.records", "judge.calibration.record"),
        *("judge.metrics.interval", "judge.verdict"),
    },
    "pipeline": {"config", "data", "prompts", "engine", "judge", "teacher", "student", "report"},
}


def imported(path: Path) -> set[str]:
    """The modules of our rooms that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {module for module in found if module.split(".")[0] in ALLOWED}


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    """A room may import itself and the rooms or modules of its line in the table."""
    allowed = ALLOWED[room] | {room}
    for path in (ROOT / room).rglob("*.py"):
        for module in imported(path):
            parts = module.split(".")
            known = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
            assert known & allowed, f"{path.relative_to(ROOT)} imports {module}"


def test_report_imports_no_function_of_the_judge() -> None:
    """Only record types and constants, whose names begin with a capital letter."""
    for path in (ROOT / "report").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("judge."):
                names = [alias.name for alias in node.names]
                assert all(name[0].isupper() for name in names), f"{path.name} imports {names}"


def test_every_room_is_in_the_table() -> None:
    """A new package at the top level needs a line in the table, or it is never checked."""
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert rooms - {"tests", "benchmarks"} == set(ALLOWED)
