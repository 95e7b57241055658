"""The table of the reference metrics: its columns, and what must be known to read them.

A column without any value is not shown: perplexity needs logged answers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from judge.records import ReferenceScore
from report.formats import NONE, number, percent
from report.gather import RunFiles
from report.headline import reference_of


@dataclass(frozen=True)
class References:
    """The table, ready to be written."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]  # arm, its cells
    notes: tuple[str, ...]


def _with_n(text: str, n: int) -> str:
    return f"{text}, n = {n}"


def _lexical_grounding(one: ReferenceScore) -> str:
    mean = one.lexical_grounding
    return NONE if mean is None else _with_n(percent(mean.value), mean.n)


def _perplexity(one: ReferenceScore) -> str:
    found = one.perplexity
    return NONE if found is None else _with_n(number(found.value, 1), found.n)


_COLUMNS: dict[str, Callable[[ReferenceScore], str]] = {
    "chrF++": lambda one: number(one.chrf, 1),
    "BLEU": lambda one: number(one.bleu, 1),
    "ROUGE-1": lambda one: number(one.rouge1, 1),
    "ROUGE-2": lambda one: number(one.rouge2, 1),
    "ROUGE-L": lambda one: number(one.rouge_l, 1),
    "n": lambda one: str(one.n),
    "lexical grounding": _lexical_grounding,
    "perplexity": _perplexity,
}


def references(material: RunFiles) -> References | None:
    """None when no arm that is shown has answers with a logged reference."""
    found = {arm: reference_of(material, arm) for arm in material.arms}
    scores = {arm: one for arm, one in found.items() if one is not None}
    if not scores:
        return None
    cells = {name: [cell(one) for one in scores.values()] for name, cell in _COLUMNS.items()}
    cells = {name: values for name, values in cells.items() if set(values) != {NONE}}
    rows = tuple(zip(scores, zip(*cells.values(), strict=True), strict=True))
    notes = (*_notes(list(scores.values())), *_passages(material))
    return References(tuple(cells), rows, notes)


def _notes(scores: Sequence[ReferenceScore]) -> Iterator[str]:
    """How to read the columns; what holds for one arm holds for all that have the column."""
    yield (
        f"Without intervals. {scores[0].chrf_signature}; {scores[0].bleu_signature}; "
        "ROUGE: F1 of words."
    )
    if any(one.lexical_grounding for one in scores):
        yield "Lexical grounding: share of an answer's words found in its passages or question."
    for likely in [one.perplexity for one in scores if one.perplexity][:1]:
        left_out = f"; {likely.left_out} answers too long for one of them are left out"
        yield (
            "Perplexity: of the best logged answers, under each arm's model and view; lower is "
            f"likelier. The same {number(likely.tokens)} tokens for every arm"
            f"{left_out if likely.left_out else ''}."
        )


def _passages(material: RunFiles) -> Iterator[str]:
    one = material.judged.contexts if material.judged else None
    if one:
        yield (
            f"The passages against the best logged answers, n = {one.n}: context recall "
            f"{percent(one.recall)} (of those answers' words), context precision "
            f"{percent(one.precision)} (relevant passages first). The same for every arm."
        )
