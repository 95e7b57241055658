"""What the system prompt costs: tokens of a request with it and without it, on the same rows."""

from statistics import fmean

from data.records import Record
from report.gather import BASE, TEACHER, RunFiles


class Tokens(Record):
    """Prompt tokens per request, over the val rows that both arms were asked."""

    rows: int
    prompted: float  # mean of the teacher's requests
    unprompted: float  # mean of the base's requests, which are the student's
    saved: float  # mean of the differences
    saved_least: int  # the smallest difference: what every request carries in vain
    saved_most: int

    @property
    def share(self) -> float:
        """Share of the prompted request that need not be sent."""
        return self.saved / self.prompted


def count_tokens(material: RunFiles) -> Tokens | None:
    """The counts; None when no row was asked with and without the prompt."""
    lengths = [
        {a.row: a.prompt_tokens for a in material.answers.get(arm, ()) if a.finish != "too_long"}
        for arm in (TEACHER, BASE)
    ]
    pairs = [(long, lengths[1][row]) for row, long in lengths[0].items() if row in lengths[1]]
    if not pairs:
        return None
    saved = [long - short for long, short in pairs]
    return Tokens(
        rows=len(pairs),
        prompted=fmean(long for long, _ in pairs),
        unprompted=fmean(short for _, short in pairs),
        saved=fmean(saved),
        saved_least=min(saved),
        saved_most=max(saved),
    )
