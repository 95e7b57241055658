"""What logs are recognised as, for tests that need no rows."""

from pathlib import Path

from config.log_formats import AutoLogs
from data.readers.recognise import scan_source
from data.readers.recognised_logs import RecognisedLogs
from data.readers.turn_template import PromptText


def recognise_logs(
    path: str, root: Path = Path(), prompt: PromptText | None = None, split: str | None = None
) -> RecognisedLogs:
    """The form and the counts of logs, from all their records; no row is stored.

    `path` as in `data.train`. Raises DataError as `scan_source` does.
    """
    form = scan_source(AutoLogs(path=path, split=split), root, lambda row: None, prompt).form
    assert form is not None  # the settings do not name the form
    return form
