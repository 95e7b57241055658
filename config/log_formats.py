"""Settings of the data: log formats, column names, cleaning and splits."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from config.settings import Fraction, Settings

LabelValue = bool | int | float | str  # as in the log: "good", 5, true, "👍"


class LabelMap(Settings):
    """What the labels of a log say of its answers. Case and punctuation do not count."""

    good: tuple[LabelValue, ...] = ()  # the answer is useful
    bad: tuple[LabelValue, ...] = ()  # the answer is not useful
    off_topic: tuple[LabelValue, ...] = ()  # the question is not for this assistant


class FieldMap(Settings):
    """Columns of a table, or dotted paths into nested ones: messages.1.content.

    A number counts the elements of a list, negative from its end. A column named so itself wins.
    """

    question: Annotated[str, Field(description="the column that holds the question")]
    id: str | None = None  # column of the ids; None: row numbers are the ids
    contexts: str | None = None  # passages: a list of texts or of objects, or one text
    answers: dict[str, str] = {}  # name of the answering system → column
    labels: str | None = None  # column of what people said of the logged answers
    # what the labels mean; None: only "both good", "both bad", "off topic" (also in Russian) and
    # names of systems count
    label_map: LabelMap | None = None
    comment: str | None = None  # column of what people wrote about the row
    tags: dict[str, str] = {}  # tag → column

    @model_validator(mode="after")
    def _map_has_labels(self) -> "FieldMap":
        if self.label_map is not None and self.labels is None:
            raise ValueError("label_map: give `labels`, the column that it explains")
        return self


class CampusLogs(Settings):
    """The campus chat-bot's JSON; its hidden set has the same keys, but no answers or labels."""

    kind: Literal["campus"] = "campus"
    path: str  # a JSON file
    # A logged follow-up repeats the first question in front of its own. If true, a follow-up that
    # begins with another question than its row's is dropped: it belongs to another conversation.
    joined_follow_ups: bool = False


class TableLogs(Settings):
    """A JSON, CSV, Parquet or Excel file, by its suffix, with a field map; see docs/logs.md."""

    kind: Literal["table"] = "table"
    path: str  # .csv, .tsv, .jsonl, .ndjson or .json, also with .gz, .parquet or .xlsx
    fields: FieldMap


class AutoLogs(Settings):
    """Logs whose form is recognised by their content; see docs/logs.md."""

    kind: Literal["auto"] = "auto"
    path: str  # a file, a folder of files, a saved dataset, or the id of one on the hub
    split: str | None = None  # of a dataset; None: train, or the only one


def _with_kind(value: Any) -> Any:
    """A text is the path of logs to recognise; without `kind` a field map makes a table."""
    if isinstance(value, str):
        return {"kind": "auto", "path": value}
    if isinstance(value, dict) and "kind" not in value:
        return {"kind": "table" if "fields" in value else "auto", **value}
    return value


_with_kind.usual_kinds = ("auto", "table")  # type: ignore[attr-defined]  # for editors' schemas

MappedLogs = CampusLogs | TableLogs
_AnyLogs = Annotated[CampusLogs | TableLogs | AutoLogs, Field(discriminator="kind")]
Logs = Annotated[_AnyLogs, BeforeValidator(_with_kind, json_schema_input_type=str | _AnyLogs)]


class DataSettings(Settings):
    """Sources of the rows, and how they are cleaned and split."""

    train: Logs  # rows to learn from
    # rows on which students are chosen and reported; None: split off from train by `val_fraction`
    val: Logs | None = None
    hidden: Logs | None = None  # rows without labels, answered and scored once at the end
    val_fraction: Fraction = 0.2  # share of the distinct train questions; used if `val` is null
    stubs: tuple[str, ...] = ()  # regular expressions; matching provider replies count as no answer
    footer: str | None = None  # regular expression of text that the application appends to answers
    # minimum Jaccard similarity of word sets of near-duplicate questions
    near_duplicate: Fraction = 0.8
    follow_ups: bool = True  # also make a train row of each usable follow-up question
    max_bad_fraction: Fraction = 0.01  # the run stops above this share of quarantined rows
