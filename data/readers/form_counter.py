"""Counts the rows of recognised logs while they are read."""

from collections import Counter
from collections.abc import Sequence

from config.log_formats import FieldMap
from data.readers.recognised_logs import RecognisedLogs

MAX_SYSTEMS = 1000  # distinct system prompts that are counted; passages may stand in them


class FormCounter:
    """Counts the rows of one part of the logs while they are read."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.not_used: Counter[str] = Counter()
        self.systems: Counter[str] = Counter()
        self.columns: dict[str, None] = {}

    def add_system(self, system: str | None, rows: int) -> None:
        """Counts the system prompt of some rows."""
        if system is None:
            return
        if system in self.systems or len(self.systems) < MAX_SYSTEMS:
            self.systems[system] += rows
        else:
            self.counts["more_systems"] += rows

    def form(self, path: str, name: str, fields: FieldMap | None) -> RecognisedLogs:
        """The counts until now."""
        used = () if fields is None else _used_columns(fields)
        unused = tuple(name for name in self.columns if name not in used)
        return RecognisedLogs(
            path=path,
            name=name,
            rows=self.counts["rows"],
            answered=self.counts["answered"],
            with_history=self.counts["with_history"],
            with_contexts=self.counts["with_contexts"],
            labelled=self.counts["labelled"],
            systems=dict(self.systems.most_common()),
            more_systems=self.counts["more_systems"],
            not_used=dict(self.not_used.most_common()),
            quarantined=self.counts["quarantined"],
            fields=fields,
            unused_columns=unused if fields is not None else (),
            unmatched=self.counts["unmatched"],
            unread=(),
        )


def _used_columns(fields: FieldMap) -> set[str | None]:
    return {fields.question, fields.contexts, *fields.answers.values()}


def joined_forms(
    path: str, forms: Sequence[RecognisedLogs], unread: tuple[str, ...]
) -> RecognisedLogs:
    """The form of logs of several parts: the sums of their counts."""
    systems, not_used = Counter[str](), Counter[str]()
    for form in forms:
        systems.update(form.systems)
        not_used.update(form.not_used)
    names = list(dict.fromkeys(form.name for form in forms))
    count = f" in {len(forms)} files" if len(forms) > 1 else ""
    first = forms[0].fields
    return RecognisedLogs(
        path=path,
        name=" and ".join(names) + count,
        rows=sum(form.rows for form in forms),
        answered=sum(form.answered for form in forms),
        with_history=sum(form.with_history for form in forms),
        with_contexts=sum(form.with_contexts for form in forms),
        labelled=sum(form.labelled for form in forms),
        systems=dict(systems.most_common()),
        more_systems=sum(form.more_systems for form in forms),
        not_used=dict(not_used.most_common()),
        quarantined=sum(form.quarantined for form in forms),
        fields=first if all(form.fields == first for form in forms) else None,
        unused_columns=tuple(dict.fromkeys(c for form in forms for c in form.unused_columns)),
        unmatched=sum(form.unmatched for form in forms),
        unread=unread,
    )
