"""Recognises the form of logs by their records, and reads them into rows.

`log_files` knows where the records lie, `chat_forms` and `trace_forms` what tools write, and
`log_columns` the usual names of columns. A record of another form than its file is quarantined.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from config.errors import DataError
from config.log_formats import AutoLogs, CampusLogs, FieldMap, Logs, MappedLogs, TableLogs
from data.readers import campus
from data.readers.cells import Malformed, shown_keys
from data.readers.chat_forms import CHAT_FORMS, ChatForm, Conversations
from data.readers.conversation import NotACall, Unsupported
from data.readers.conversation_rows import ConversationRows, RowBuilder
from data.readers.entry import Entry
from data.readers.field_use import FieldUse
from data.readers.form_counter import FormCounter, joined_forms
from data.readers.log_columns import known_fields
from data.readers.log_files import LogPart, is_json_list, is_table_file, log_parts
from data.readers.logs import LogNotes, check_unique_ids, quarantined, scan_logs
from data.readers.quarantine import Quarantine, Quarantined, count_reason
from data.readers.recognised_logs import RecognisedLogs
from data.readers.score_labels import ScoreLabels
from data.readers.table_logs import table_row
from data.readers.trace_forms import TRACE_FORMS
from data.readers.turn_template import PromptText, TurnTemplate
from data.rows import Row

LOG_FORMS = (*CHAT_FORMS, *TRACE_FORMS)
CAMPUS, TABLE = "campus chat-bot", "table"
_HEAD = 200  # records that decide the form


class _PartForm(NamedTuple):
    """The form of one part."""

    chat: ChatForm | None  # None: a table or the campus chat-bot
    fields: FieldMap | None
    calls_only: bool  # records that are no calls of a model are not read
    scores: ScoreLabels | None = None  # what people's scores say, in forms that have them

    @property
    def name(self) -> str:
        if self.chat is not None:
            return self.chat.name
        return CAMPUS if self.fields == campus.FIELDS else TABLE


class ScannedLogs(NamedTuple):
    """What logs hold beside their rows."""

    notes: LogNotes
    form: RecognisedLogs | None  # None: the settings name the form


def scan_source(
    settings: Logs,
    root: Path,
    add: Callable[[Row], None],
    prompt: PromptText | None = None,
    refuse: Callable[[Quarantined], object] | None = None,
) -> ScannedLogs:
    """Passes each row of the configured logs to `add`, each quarantined record to `refuse`.

    Raises DataError when the logs are unusable as a whole.
    """
    if not isinstance(settings, AutoLogs):
        return ScannedLogs(scan_logs(settings, root, add, refuse), None)
    parts, unread = log_parts(settings, root)
    reader = _Reader(add, prompt, Quarantine(refuse))
    forms = [reader.read(part) for part in parts]
    sheets = (f"{sheet} of {part.name}" for part in parts for sheet in part.unread)
    form = joined_forms(settings.path, forms, (*unread, *sheets))
    if not form.rows:
        raise _no_row(form, reader.quarantine.shown)
    check_unique_ids(reader.ids, settings.path)
    words = {column: dict(counts) for column, counts in reader.missing_words.items()}
    return ScannedLogs(LogNotes(reader.quarantine, words), form)


def mapped_logs(settings: Logs, root: Path) -> MappedLogs | None:
    """Settings that read the same rows by a field map.

    None where rows are conversations, or where only this module reads the file: a folder, an export
    of one object, a file of another suffix or code page.
    """
    if not isinstance(settings, AutoLogs):
        return settings
    path = root / settings.path
    if not is_table_file(path):
        return None
    part = log_parts(settings, root).parts[0]
    form = _recognised(part, list(islice(part.entries(), _HEAD)))
    if form.fields is None or part.is_cp1251:
        return None
    if form.name == CAMPUS:
        return CampusLogs(path=settings.path) if is_json_list(path) else None
    return TableLogs(path=settings.path, fields=form.fields)


def _no_row(form: RecognisedLogs, bad: Sequence[Quarantined]) -> DataError:
    reasons = [f"{count} × {why}" for why, count in form.not_used.items()]
    reasons += [f"line {record.line}: {record.reason}" for record in bad[:1]]
    why = f": {'; '.join(reasons)}" if reasons else ""
    return DataError(f"{form.path}: {form.name}, but no valid row{why}; is it the right file?")


class _Reader:
    """Reads the parts of logs one by one."""

    def __init__(
        self, add: Callable[[Row], None], prompt: PromptText | None, quarantine: Quarantine
    ) -> None:
        self._add = add
        self._builder = RowBuilder(prompt)
        self._splits_turns = prompt is not None and TurnTemplate(prompt).can_split
        self.ids: list[str] = []
        self.quarantine = quarantine
        self.missing_words: dict[str, Counter[str]] = {}

    def read(self, part: LogPart) -> RecognisedLogs:
        """Passes on the rows of one part. Raises DataError when its form is not known."""
        entries = part.entries()
        head = list(islice(entries, _HEAD))
        form = _recognised(part, head)
        counter = FormCounter()
        fields = FieldUse(form.fields) if form.fields is not None else None
        for entry in chain(head, entries):
            try:
                for rows in self._record(entry, part, form):
                    self._count(rows, entry, part, counter)
                if fields is not None and entry.value is not None:
                    fields.add(entry.value)
                    counter.columns.update(dict.fromkeys(entry.value))
            except Malformed as error:
                self._refuse(error, entry, part, counter)
        for column, words in (fields.missing_words() if fields else {}).items():
            self.missing_words.setdefault(column, Counter()).update(words)
        name = f"{form.name} in cp1251" if part.is_cp1251 else form.name
        return counter.form(part.name, name, form.fields)

    def _record(
        self, entry: Entry, part: LogPart, form: _PartForm
    ) -> Iterator[ConversationRows | Malformed]:
        """What a record holds. Raises Malformed when it is nothing."""
        if entry.value is None:
            raise Malformed(entry.problem)
        identity = f"{part.stem}-{entry.number:04d}"
        origin = f"{part.name}:{entry.line}"
        if form.chat is None:
            assert form.fields is not None
            is_campus = form.name == CAMPUS
            row = (
                campus.campus_row(entry.value, identity, origin)
                if is_campus
                else table_row(entry.value, form.fields, identity, origin)
            )
            yield ConversationRows((row,), None, None, (), 1)
            return
        _check_form(entry.value, form)
        parts = list(self._conversations(form.chat.conversations(entry.value), identity, origin))
        if form.scores is not None:
            parts = form.scores.labelled(parts, entry.value)
        yield from parts

    def _conversations(
        self, conversations: Conversations, identity: str, origin: str
    ) -> Iterator[ConversationRows | Malformed]:
        for index, conversation in enumerate(conversations, 1):
            name = identity if index == 1 else f"{identity}.{index}"
            try:
                if isinstance(conversation, Malformed):
                    raise conversation
                yield self._builder.rows(conversation, name, origin)
            except Malformed as error:  # the record's other conversations are still good
                yield error

    def _count(
        self, rows: ConversationRows | Malformed, entry: Entry, part: LogPart, counter: FormCounter
    ) -> None:
        if isinstance(rows, Malformed):
            self._refuse(rows, entry, part, counter)
            return
        for row in rows.rows:
            self._add(row)
            self.ids.append(row.id)
            counter.counts["rows"] += 1
            counter.counts["answered"] += bool(row.answers)
            counter.counts["with_history"] += bool(row.history)
            counter.counts["with_contexts"] += bool(row.contexts)
            counter.counts["labelled"] += bool(row.labels)
        counter.counts["unmatched"] += (len(rows.rows) - rows.matched) * self._splits_turns
        counter.add_system(rows.system, len(rows.rows))
        counter.not_used.update(rows.left_out)
        if rows.problem is not None:
            self._refuse(rows.problem, entry, part, counter)

    def _refuse(self, error: Malformed, entry: Entry, part: LogPart, counter: FormCounter) -> None:
        if isinstance(error, Unsupported | NotACall):
            count_reason(counter.not_used, str(error))
        else:
            counter.counts["quarantined"] += 1
        if not isinstance(error, NotACall):
            self.quarantine.add(quarantined(entry, part.name, error))


def _recognised(part: LogPart, head: Sequence[Entry]) -> _PartForm:
    """The form of most of the first records. Raises DataError when it is none that is known."""
    records = [entry.value for entry in head if entry.value is not None]
    counts: Counter[ChatForm | None] = Counter()
    for record in records:
        form = _chat_form(record)
        if form is not None or known_fields(record) is not None:
            counts[form] += 1
    if not counts:
        raise _unknown_form(part, head)
    form = counts.most_common(1)[0][0]
    if form is not None:
        calls_only = form.is_call is not None and any(map(form.is_call, records))
        own = [record for record in records if form.matches(record)]
        scores = None if form.scores is None else ScoreLabels(form.scores, own)
        return _PartForm(form, None, calls_only, scores)
    if all(_is_campus(record) for record in records):
        return _PartForm(None, campus.FIELDS, False)
    fields = next(filter(None, map(known_fields, records)))
    return _PartForm(None, _complete(fields, records), False)


def _complete(fields: FieldMap, records: Sequence[dict[str, Any]]) -> FieldMap:
    """The map with the columns that only later records have."""
    for record in records:
        later = known_fields(record)
        if later is not None and later.question == fields.question:
            fields = fields.model_copy(
                update={
                    "answers": fields.answers or later.answers,
                    "contexts": fields.contexts or later.contexts,
                }
            )
    return fields


def _is_campus(record: dict[str, Any]) -> bool:
    return {campus.QUESTION, campus.CONTEXTS} <= record.keys() and campus.TAGS["role"] in record


def _chat_form(record: dict[str, Any]) -> ChatForm | None:
    return next((form for form in LOG_FORMS if form.matches(record)), None)


def _check_form(record: dict[str, Any], form: _PartForm) -> None:
    """Raises Malformed for a record of another form than its file, NotACall for other spans."""
    assert form.chat is not None
    if not form.chat.matches(record):
        other = _chat_form(record)
        if other is not None:
            raise Malformed(f"{other.name} in a file of {form.chat.name}; give each its own file")
        if form.chat.has_other_records:
            raise NotACall("a span of another kind")
        raise Malformed(f"no {form.chat.name}: its keys are {shown_keys(record)}")
    if form.calls_only and form.chat.is_call is not None and not form.chat.is_call(record):
        raise NotACall("a step that is no call of a model")


def _unknown_form(part: LogPart, head: Sequence[Entry]) -> DataError:
    record = next((entry.value for entry in head if entry.value is not None), None)
    if record is None:
        first = f"; line {head[0].line}: {head[0].problem}" if head else ""
        what = "no record can be read" if head else "it has no records"
        return DataError(f"{part.name}: {what}{first}; is it the right file?")
    sheets = ", ".join(part.unread)
    return DataError(
        f"{part.name}: no known form of logs, and no column with a usual name of questions; its "
        f"records have {shown_keys(record)}; name the column yourself: {{kind: table, path: …, "
        "fields: {question: COLUMN}}"
        + (f", or put its sheet in front of the others ({sheets})" if sheets else "")
    )
