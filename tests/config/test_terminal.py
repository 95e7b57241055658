"""Drawings in a terminal: as `print` of the console, no text in them steers it."""

import io
import os
import subprocess
import sys

import pytest
from rich.table import Table
from rich.text import Text

from config.checkout import ROOT
from config.terminal import TERMINAL_COLUMNS, open_terminal, safe_text
from tests.config.test_console import HOSTILE


@pytest.mark.parametrize("text", HOSTILE)
def test_a_drawing_shows_what_it_would_send(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `safe_text` its width is known too; without it, rich drops some controls itself."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    file = io.StringIO()
    open_terminal(file).print(safe_text(text))
    assert file.getvalue() == f"{HOSTILE[text]}\n"
    table, raw = Table.grid(), io.StringIO()
    table.add_row(Text(text), text)
    open_terminal(raw).print(table, text)
    assert all(c.isprintable() or c == "\n" for c in raw.getvalue())


def test_text_is_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets and colons of answers stay as they are."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    file = io.StringIO()
    open_terminal(file).print("[bold]x[/bold] :smile: 12 'a'")
    assert file.getvalue() == "[bold]x[/bold] :smile: 12 'a'\n"
    open_terminal(file).print("x" * (TERMINAL_COLUMNS + 1))
    assert file.getvalue().endswith(f"\n{'x' * TERMINAL_COLUMNS}\nx\n")


def test_colours_come_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """rich's own sequences are no text."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = io.StringIO()
    open_terminal(file).print(safe_text("\x1b[31m", "red"))
    assert file.getvalue() == "\x1b[31m\\x1b[31m\x1b[0m\n"


def test_a_reader_that_closes_the_output_is_no_fault() -> None:
    """`unprompted show … | head`: 141, 128 + SIGPIPE, as of every command. rich itself exits with
    1, which reads as a fault of the program, with a traceback."""
    program = (
        "from config.cli import run_command\nfrom config.terminal import open_terminal\n"
        "run_command(lambda: open_terminal().print('x') or 0)"
    )
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (141, "")
