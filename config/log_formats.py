"""Where the rows come from: formats of logs, their columns, cleaning and splits."""

from typing import Annotated, Literal

from pydantic import Field

from config.settings import Fraction, Settings


class FieldMap(Settings):
    """Which column of a JSONL, CSV or Parquet file holds what."""

    question: str
    id: str | None = None  # None: rows are numbered
    contexts: str | None = None  # a list of texts, or one text
    answers: dict[str, str] = {}  # name of the answering system → column
    labels: str | None = None
    comment: str | None = None
    tags: dict[str, str] = {}  # tag → column


class CampusLogs(Settings):
    """The campus chat-bot's JSON, or its hidden set in the same keys without answers and labels."""

    kind: Literal["campus"] = "campus"
    path: str
    # the clarified question is logged behind the first one, as one text: a second turn whose text
    # begins with another question than its row's belongs to another conversation
    joined_followups: bool = False


class TableLogs(Settings):
    """JSONL, CSV or Parquet read through a field map; the format follows the file's suffix."""

    kind: Literal["table"] = "table"
    path: str
    fields: FieldMap


Logs = Annotated[CampusLogs | TableLogs, Field(discriminator="kind")]


class DataSettings(Settings):
    """Where the rows come from and what is cleaned out of them."""

    train: Logs
    val: Logs | None = None  # None: `val_fraction` of the train questions
    hidden: Logs | None = None
    val_fraction: Fraction = 0.2  # share of distinct questions held out when `val` is not given
    stubs: tuple[str, ...] = ()  # regular expressions of provider replies that are no answers
    footer: str | None = None  # regular expression of what the application appends to answers
    near_duplicate: Fraction = 0.8  # Jaccard similarity of word sets from which questions are near
    second_turns: bool = True  # a train row with a follow-up gives a row for its second turn too
    max_bad_fraction: Fraction = 0.01  # share of quarantined rows above which the run stops
