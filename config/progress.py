"""Progress bars: drawn in a terminal, or reported as JSON lines to the process that watches.

The pipeline sets `PROGRESS_FILE` for a child process. Then a bar appends one event per line to
that file and draws nothing, so that the pipeline can draw one bar for all of its stages.
"""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pydantic import BaseModel, ValidationError
from tqdm import tqdm

from config.console import visible

if TYPE_CHECKING:
    _Tqdm = tqdm[NoReturn]
else:
    _Tqdm = tqdm  # generic only in its stubs

PROGRESS_FILE = "UNPROMPTED_PROGRESS_FILE"  # environment variable: path of the events
_TAIL_BYTES = 4096  # an event is far shorter
_REPORT_S = 0.5  # seconds between two events


class ProgressEvent(BaseModel, frozen=True):
    """The state of a progress bar at one moment; tqdm's names."""

    prefix: str
    n: int  # done
    total: int | None
    unit: str
    initial: int  # done before the bar began; excluded from the rate
    elapsed: float  # seconds since the bar began
    postfix: str | None  # a message, such as the loss

    def meter(self, columns: int) -> str:
        """The bar as text with the time left, `columns` wide; 0: numbers only."""
        return tqdm.format_meter(**self.model_dump(), ncols=columns)


class ProgressBar(_Tqdm):
    """A bar in the terminal, or its events in the file that `PROGRESS_FILE` names."""

    def __init__(
        self, label: str, unit: str, total: int | None, initial: int = 0, delay_s: float = 0.0
    ) -> None:
        """`unit`: with a leading space. Nothing is shown before `delay_s` seconds have passed."""
        self._events = os.environ.get(PROGRESS_FILE)
        super().__init__(
            total=total,
            initial=initial,
            desc=visible(label),
            unit=unit,
            delay=delay_s,
            mininterval=_REPORT_S if self._events else 0.1,
            file=io.StringIO() if self._events else None,
            dynamic_ncols=True,
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draws the bar or reports it; tqdm calls this as often as `mininterval` allows."""
        if self._events is None:
            super().display(msg, pos)
            return
        event = ProgressEvent.model_validate(self.format_dict)
        with open(self._events, "a", encoding="utf-8") as file:
            file.write(event.model_dump_json() + "\n")


def latest_event(path: Path) -> ProgressEvent | None:
    """The last whole event of a progress file; None when there is none yet."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().split(b"\n")  # the last part is empty or a torn line
        return ProgressEvent.model_validate_json(lines[-2]) if len(lines) > 1 else None
    except (FileNotFoundError, ValidationError):  # not begun, or written by something else
        return None
