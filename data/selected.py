"""An answer that a student learns, as the teacher leaves it for the student."""

from data.records import Record


class SelectedAnswer(Record):
    """A kept candidate; the student sees it behind the unprompted view of its row."""

    row: str
    sample: int
    text: str
    dropped: int  # passages of the row that are not shown
    key: str = ""  # of the answer, under which its most likely tokens are stored
    token_ids: tuple[int, ...] = ()  # as the teacher drew them, with the one that ends the turn
