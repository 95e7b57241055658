"""The records of `judge/labels.json`: what people said of the arms' answers."""

from data.records import Record


class Label(Record):
    """A person's verdict on one answer."""

    answer: str  # its id, which changes with its text: see judge.annotation.sheet
    row: str
    sample: int
    good: bool
    comment: str | None


class ArmLabels(Record):
    """People's verdicts on one arm's answers."""

    labels: tuple[Label, ...]
    blank: int  # lines of the sheet without a verdict


class Labels(Record):
    """judge/labels.json."""

    arms: dict[str, ArmLabels]
