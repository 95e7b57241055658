"""Every fault of docs/reliability.md has a test, and the page names exactly the marked tests."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from config.checkout import ROOT

LINES = range(1, 24)
PAGE = ROOT / "docs/reliability.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py::[\w:]+)`")


def marked_tests() -> dict[int, set[str]]:
    """Line → ids of the tests that are marked `reliability(line=…)`."""
    marked: defaultdict[int, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for name, line in _marks(tree, ""):
            marked[line].add(f"{path.relative_to(ROOT).as_posix()}::{name}")
    return marked


def _marks(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, int]]:
    """The name and line of each marked function, of those in classes too."""
    for part in node.body:
        if isinstance(part, ast.ClassDef):
            yield from _marks(part, f"{prefix}{part.name}::")
        elif isinstance(part, ast.FunctionDef):
            for decorator in part.decorator_list:
                mark = re.fullmatch(
                    r"pytest\.mark\.reliability\(line=(\d+)\)", ast.unparse(decorator)
                )
                if mark:
                    yield f"{prefix}{part.name}", int(mark[1])


def test_every_line_has_a_test() -> None:
    """23 lines, and no mark of another one."""
    assert sorted(marked_tests()) == list(LINES)


def test_the_page_names_the_marked_tests() -> None:
    """A test that is renamed, removed or added changes the page."""
    named: defaultdict[int, set[str]] = defaultdict(set)
    for row in PAGE.read_text("utf-8").splitlines():
        line = re.match(r"\| (\d+) \|", row)
        if line:
            named[int(line[1])] |= set(_TEST.findall(row))
    assert dict(named) == dict(marked_tests())


def test_the_page_states_a_count_for_every_line() -> None:
    """The last cell of each row holds a number."""
    rows = [row for row in PAGE.read_text("utf-8").splitlines() if re.match(r"\| \d+ \|", row)]
    assert len(rows) == len(LINES)
    assert all(re.search(r"\d", row.rstrip(" |").rsplit("|", 1)[1]) for row in rows)
