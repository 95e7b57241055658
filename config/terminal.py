"""Tables and colours in a terminal: what `rich` draws, with foreign text made visible first."""

from collections.abc import Iterable
from typing import IO, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from config.console import visible

TERMINAL_COLUMNS = 100  # widest line that a command draws


class _SafeConsole(Console):
    """A console whose texts cannot steer the terminal, whoever drew them."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The pieces of text of a drawing, with escapes in place of control characters."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text), style, control)

    def on_broken_pipe(self) -> NoReturn:
        """Raises what `run_command` handles; rich itself would exit with 1, a failed gate."""
        raise BrokenPipeError


def open_terminal(file: IO[str] | None = None) -> Console:
    """A console on `file` (None: standard output) of at most TERMINAL_COLUMNS columns.

    Without a terminal it is exactly so wide and has no colours; with NO_COLOR it has none either.
    Texts are no markup.
    """
    terminal = _SafeConsole(file=file, highlight=False, markup=False, emoji=False)
    terminal.width = (
        min(terminal.width, TERMINAL_COLUMNS) if terminal.is_terminal else TERMINAL_COLUMNS
    )
    return terminal


def safe_text(text: object, style: str = "") -> Text:
    """The text with the escapes of `config.console.visible`, so that tables know its width."""
    return Text(visible(str(text)), style=style)
