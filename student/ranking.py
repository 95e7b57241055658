"""The order of candidates: by strict adherence on val, then by val loss."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from student.records import RankedStudent, Step, Trial

Candidate = TypeVar("Candidate", Step, RankedStudent, Trial)  # each has `strict` and `val_loss`


def best_first(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The highest strict adherence first; equals by the lowest val loss; None comes last."""
    infinite = float("inf")
    return sorted(
        candidates,
        key=lambda candidate: (
            1.0 if candidate.strict is None else -candidate.strict,
            infinite if candidate.val_loss is None else candidate.val_loss,
        ),
    )


def reason(ranked: Sequence[Candidate], val_rows: int | None) -> str:
    """Why the first one is the best."""
    best = ranked[0]
    rate = "no rule decided" if best.strict is None else f"strict adherence {best.strict:.1%}"
    text = f"{rate} on {val_rows} val rows by the code rules, the highest of {len(ranked)}"
    ties = sum(candidate.strict == best.strict for candidate in ranked) - 1
    if ties and best.val_loss is not None:
        text += f"; {ties} more equal, and the lowest val loss of these, {best.val_loss:.3f}"
    return text
