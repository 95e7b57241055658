"""Text of rows, answers and servers cannot steer a terminal, wherever a command prints it."""

import ast
import io
import unicodedata
from pathlib import Path

import pytest

from config.checkout import ROOT
from config.console import print as print_visible
from config.console import visible
from config.progress import ProgressBar

FIRST, SECOND = ("config", "data", "prompts", "wire", "engine"), ("judge", "teacher", "student")
ROOMS = (*FIRST, *SECOND, "report", "pipeline")
HOSTILE = {
    "\x1b[2J": "\\x1b[2J",  # clears the screen
    "\x1b]8;;http://evil.example\x07x": "\\x1b]8;;http://evil.example\\x07x",  # a link
    "\x1b]52;c;cm0=\x07": "\\x1b]52;c;cm0=\\x07",  # writes the clipboard
    "\x9b31m": "\\x9b31m",  # the same as ESC [, in one character
    "a\rb": "a\\rb",  # writes over the line
    "a\x08b\x7f\x00": "a\\x08b\\x7f\\x00",
    "\u202epassed": "\\u202epassed",
    "\u2066a\u2069": "\\u2066a\\u2069",
    "a\u200bb\ufeff": "a\\u200bb\\ufeff",
    "a\u2028error: b": "a\\u2028error: b",
    "\u0085": "\\x85",
    "\U000e0041": "\\U000e0041",
    "\ud83d": "\\ud83d",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_it_is_shown_and_not_sent(text: str) -> None:
    file = io.StringIO()
    print_visible("row", text, file=file)
    assert file.getvalue() == f"row {HOSTILE[text]}\n"


def test_every_character_that_steers_or_hides() -> None:
    """All of Unicode's controls, formats and separators of lines, but for the break and the tab."""
    for code in range(0x110000):
        character = chr(code)
        escaped = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        assert (visible(character) != character) == (escaped and character not in "\n\t")


def test_ordinary_text_stays() -> None:
    text = "Приём: 10\u202f000 — «да»\u00a0é 北京 😀\n\tx"
    assert visible(text) == text and visible("a\r\nb") == "a\nb"


def test_a_progress_bar_is_one_line_of_text() -> None:
    bar = ProgressBar("arm\x1b[2J\r", " answers", 3)
    bar.close()
    assert "\x1b" not in bar.desc and "\r" not in bar.desc


def _prints_by_itself(path: Path) -> bool:
    """Whether a file calls Python's own print, or prints tracebacks past it."""
    tree = ast.parse(path.read_text("utf-8"))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {func.id for func in calls if isinstance(func, ast.Name)}
    methods = {func.attr for func in calls if isinstance(func, ast.Attribute)}
    imported = any(
        isinstance(node, ast.ImportFrom)
        and node.module == "config.console"
        and any(name.name == "print" for name in node.names)
        for node in ast.walk(tree)
    )
    return ("print" in names and not imported) or bool({"print_exc", "print_exception"} & methods)


def test_every_command_prints_by_it() -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    files.remove(ROOT / "config" / "console.py")
    assert len(files) > 200
    assert [str(path) for path in files if _prints_by_itself(path)] == []
