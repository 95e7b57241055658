"""Tables and colours in a terminal: what `rich` draws, with foreign text made visible first."""

from typing import IO

from rich.console import Console
from rich.text import Text

from config.console import visible

TERMINAL_COLUMNS = 100  # widest line that a command draws


def open_terminal(file: IO[str] | None = None) -> Console:
    """A console on `file` (None: standard output) of at most TERMINAL_COLUMNS columns.

    Without a terminal it is exactly so wide and has no colours; with NO_COLOR it has none either.
    Texts are no markup.
    """
    terminal = Console(file=file, highlight=False, markup=False, emoji=False)
    terminal.width = (
        min(terminal.width, TERMINAL_COLUMNS) if terminal.is_terminal else TERMINAL_COLUMNS
    )
    return terminal


def safe_text(text: object, style: str = "") -> Text:
    """The text with the escapes of `config.console.visible`: foreign text enters tables here."""
    return Text(visible(str(text)), style=style)
