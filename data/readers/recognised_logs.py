"""What recognised logs are and hold: the form, the counts, and the system prompts in them."""

from typing import NamedTuple

from config.log_formats import FieldMap
from data.readers.prompt_difference import first_difference, same_prompt
from data.readers.turn_template import PromptText

_SHOWN_REASONS = 10  # why records are not used, in the line


class RecognisedLogs(NamedTuple):
    """One part of the logs, or all of them."""

    path: str
    name: str  # such as "OpenAI chat messages"
    rows: int
    answered: int  # rows with a logged answer
    with_history: int  # rows that follow earlier turns
    with_contexts: int  # rows with passages
    labelled: int  # rows with labels that people gave
    systems: dict[str, int]  # system prompt → rows, the most frequent one first
    more_systems: int  # rows with system prompts beyond the first 1,000 different ones
    not_used: dict[str, int]  # reason → records or turns that a row cannot show
    quarantined: int  # malformed records
    fields: FieldMap | None  # of a table
    unused_columns: tuple[str, ...]  # of a table, with their text not read
    unmatched: int  # rows whose user turn does not match the prompt file's user_template
    unread: tuple[str, ...]  # files or splits that are not read

    @property
    def with_system(self) -> int:
        """Rows behind a system prompt."""
        return sum(self.systems.values()) + self.more_systems

    @property
    def system(self) -> str | None:
        """The system prompt of most rows that have one; None without any."""
        return next(iter(self.systems), None)

    def line(self) -> str:
        """One line for people: `logs.jsonl: OpenAI chat messages, 30 rows, system prompt in 30`."""
        different = f" ({len(self.systems)}{'+' * bool(self.more_systems)} different)"
        counts = {
            f"system prompt in {self.with_system}{different * (len(self.systems) > 1)}": (
                self.with_system
            ),
            f"earlier turns in {self.with_history}": self.with_history,
            f"passages in {self.with_contexts}": self.with_contexts,
            f"people's labels in {self.labelled}": self.labelled,
            f"{self.rows - self.answered} without an answer": self.rows - self.answered,
        }
        parts = [f"{self.path}: {self.name}, {self.rows} rows"]
        line = ", ".join(parts + [words for words, count in counts.items() if count])
        unused = [f"{count} × {reason}" for reason, count in self.not_used.items()]
        if len(unused) > _SHOWN_REASONS:
            count = sum(list(self.not_used.values())[_SHOWN_REASONS:])
            unused[_SHOWN_REASONS:] = [f"{count} for other reasons"]
        lists = {
            "not used": unused,
            "malformed": [str(self.quarantined)] if self.quarantined else [],
            "columns not used": self.unused_columns,
            "not read": self.unread,
        }
        ends = (f"; {words}: {', '.join(values)}" for words, values in lists.items() if values)
        return (line + "".join(ends)).encode("utf-8", "replace").decode()  # half characters

    def notes(self, prompt: PromptText | None) -> list[str]:
        """Lines on how the logs differ from the prompt file; none where it is unknown."""
        if prompt is None:
            return []
        notes = [self._compared(prompt.system)] if self.with_system else []
        if self.unmatched:
            notes.append(
                f"{self.path}: the prompt file's user_template matches the user turn of "
                f"{self.rows - self.unmatched} of {self.rows} rows; the whole turn is the question "
                "in the others"
            )
        return notes

    def _compared(self, system: str) -> str:
        same = sum(rows for text, rows in self.systems.items() if same_prompt(text, system))
        line = f"{self.path}: the prompt file's system prompt in {same} of {self.with_system} rows"
        others = {
            text: rows for text, rows in self.systems.items() if not same_prompt(text, system)
        }
        if not others:
            return line
        text, rows = next(iter(others.items()))
        return f"{line}; {len(others)} other; in {rows} rows {first_difference(text, system)}"
