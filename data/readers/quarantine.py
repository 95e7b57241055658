"""Records that became no row: all of them are counted and passed on, few are kept in memory."""

from collections import Counter
from collections.abc import Callable

from data.records import Record

SHOWN_QUARANTINED = 100  # malformed records in memory, and as many unsupported ones
_MAX_REASONS = 1000  # different reasons that are counted by their text
_OTHER_REASONS = "other reasons"


class Quarantined(Record):
    """A malformed record of a log file."""

    file: str
    line: int  # from 1; in Parquet the row number
    reason: str
    excerpt: str  # at most 200 characters of the record
    # well formed, but no row can show it (tool calls, images): not counted as malformed
    unsupported: bool = False


class Quarantine:
    """Counts records, holds the first ones of either kind, and passes all of them on."""

    def __init__(self, store: Callable[[Quarantined], object] | None = None) -> None:
        """store: receives every record, in the order of the file."""
        self._store = store
        self._shown: list[Quarantined] = []
        self.malformed = 0
        self.unsupported = 0
        self.reasons = Counter[str]()

    def add(self, record: Quarantined) -> None:
        """Counts a record and passes it on."""
        count = self.unsupported if record.unsupported else self.malformed
        if count < SHOWN_QUARANTINED:
            self._shown.append(record)
        self.unsupported += record.unsupported
        self.malformed += not record.unsupported
        count_reason(self.reasons, record.reason)
        if self._store is not None:
            self._store(record)

    @property
    def shown(self) -> tuple[Quarantined, ...]:
        """The first records of either kind, in the order of the file."""
        return tuple(self._shown)


def count_reason(counts: Counter[str], reason: str) -> None:
    """Counts a reason. Reasons that differ from record to record do not fill the memory."""
    is_counted = reason in counts or len(counts) < _MAX_REASONS
    counts[reason if is_counted else _OTHER_REASONS] += 1
