"""What the judge reads of the teacher's audit: how much there was to learn, and from what."""

from data.answers import How
from data.jsonl import read_stored_record
from data.records import Record
from data.run_paths import RunPaths


class _SelectedRows(Record, extra="ignore"):
    """The fields of a split's selection that the judge reads."""

    rows: int
    rows_selected: int


class Teaching(Record, extra="ignore"):
    """The fields of teacher/audit.json that the judge reads."""

    selection: dict[str, _SelectedRows] = {}  # by split
    # conditional rule → how → rows; None in audits written before this field existed
    taught: dict[str, dict[How, int]] | None = None

    def of_rule(self, rule: str) -> dict[How, int] | None:
        """The train rows that taught a rule, by how their answers came about."""
        return None if self.taught is None else self.taught.get(rule, {})


def read_teaching(run: RunPaths) -> Teaching:
    """The teaching of a run; empty before answers were selected. Raises DataError when broken."""
    return read_stored_record(run.audit, Teaching) or Teaching()
