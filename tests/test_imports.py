"""The order of the rooms and the names in them, read from the source."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.checkout import ROOT

ALLOWED = {
    "config": set[str](),
    "data": {"config"},
    "prompts": {"config", "data"},
    "wire": {"config"},
    "engine": {"config", "data", "prompts", "wire"},
    # of engine, the judge uses only the server of the embedded model
    "judge": {"config", "data", "prompts", "wire", "engine.vllm_server"},
    # no answer is paid for before the student's preflight has passed
    "teacher": {"config", "data", "prompts", "engine", "judge", "student.preflight"},
    "student": {"config", "data", "prompts", "engine", "judge"},
    "report": {
        *("config", "data", "prompts", "teacher.audit", "student.records"),
        # a view only shows: report reads the judge's records from disk and measures nothing
        *("judge.records", "judge.judge_note", "judge.case_records", "judge.summary.records"),
        "judge.calibration.record",
        *("judge.reference.records", "judge.choice_correction"),
        *("judge.metrics.interval", "judge.verdict"),
    },
    # it finds a student's undamaged weights as the chat does
    "serving": {"config", "data", "prompts", "wire", "engine", "student.chat_model"},
    "pipeline": {
        *("config", "data", "prompts", "engine", "judge", "teacher", "student", "report"),
        "wire.proxy",  # `doctor` reaches servers as a run does
    },
    "unprompted": {"config"},  # it names the commands' modules as text
}
SHARED_NAMES = {"main"}
SHARED_FILES = {"__init__.py", "__main__.py", "records.py"}


def modules(*rooms: str) -> list[Path]:
    """The source files of these rooms."""
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_modules(path: Path) -> set[str]:
    """The modules of our rooms that a file imports, anywhere in the file."""
    names = set[str]()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name for name in names if name.split(".")[0] in ALLOWED}


def public_names(path: Path) -> Iterator[str]:
    """The public classes, functions and constants that a file defines at top level."""
    for node in parse(path).body:
        names: list[str] = []
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        yield from (name for name in names if not name.startswith("_"))


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    """A room may import itself and the rooms or modules of its line in the table."""
    allowed = ALLOWED[room] | {room}
    for path in modules(room):
        for module in imported_modules(path):
            parts = module.split(".")
            prefixes = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
            assert prefixes & allowed, f"{path.relative_to(ROOT)} imports {module}"


def test_report_imports_no_function_of_the_judge() -> None:
    """Only record types and constants, whose names begin with a capital letter."""
    for path in modules("report"):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("judge."):
                names = [alias.name for alias in node.names]
                assert all(name[0].isupper() for name in names), f"{path.name} imports {names}"


def test_every_room_is_in_the_table() -> None:
    """A new top-level package without a line in the table would never be checked."""
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert rooms - {"tests", "benchmarks"} == set(ALLOWED)


def test_a_public_name_is_defined_in_one_room() -> None:
    """A name with two meanings makes a reader open both files."""
    rooms = defaultdict[str, set[str]](set)
    for path in modules(*ALLOWED, "benchmarks"):
        for name in public_names(path):
            rooms[name].add(path.relative_to(ROOT).parts[0])
    shared = {name: sorted(where) for name, where in rooms.items() if len(where) > 1}
    assert shared.keys() <= SHARED_NAMES, shared


def test_a_file_name_is_used_once() -> None:
    """A file is found by its name; only files that hold the same in each room share one."""
    paths = defaultdict[str, list[str]](list)
    for path in modules(*ALLOWED, "benchmarks"):
        paths[path.name].append(str(path.relative_to(ROOT)))
    shared = {name: where for name, where in paths.items() if len(where) > 1}
    assert shared.keys() <= SHARED_FILES, shared
