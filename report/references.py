"""The table of the reference metrics: its columns, and what must be known to read them.

A column that no arm has a value for is not shown: BERTScore is asked for, perplexity needs answers
that somebody logged.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from judge.tables import ReferenceScore
from report.formats import NONE, number, percent
from report.gather import Material
from report.headline import reference_of


@dataclass(frozen=True)
class References:
    """The table, ready to be written."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]  # arm, its cells
    notes: tuple[str, ...]


def _with_n(text: str, n: int) -> str:
    return f"{text}, n = {n}"


def _supported(one: ReferenceScore) -> str:
    mean = one.supported
    return NONE if mean is None else _with_n(percent(mean.value), mean.n)


def _perplexity(one: ReferenceScore) -> str:
    found = one.perplexity
    return NONE if found is None else _with_n(number(found.value, 1), found.n)


def _bertscore(one: ReferenceScore) -> str:
    found = one.bertscore
    return NONE if found is None else _with_n(number(found.value, 1), found.n)


_COLUMNS: dict[str, Callable[[ReferenceScore], str]] = {
    "chrF++": lambda one: number(one.chrf, 1),
    "BLEU": lambda one: number(one.bleu, 1),
    "ROUGE-1": lambda one: number(one.rouge1, 1),
    "ROUGE-2": lambda one: number(one.rouge2, 1),
    "ROUGE-L": lambda one: number(one.rouge_l, 1),
    "n": lambda one: str(one.n),
    "BERTScore": _bertscore,
    "words supported": _supported,
    "perplexity": _perplexity,
}


def references(material: Material) -> References | None:
    """None when no arm that is shown has answers with a logged reference."""
    found = {arm: reference_of(material, arm) for arm in material.arms}
    scores = {arm: one for arm, one in found.items() if one is not None}
    if not scores:
        return None
    cells = {name: [cell(one) for one in scores.values()] for name, cell in _COLUMNS.items()}
    cells = {name: values for name, values in cells.items() if set(values) != {NONE}}
    rows = tuple(zip(scores, zip(*cells.values(), strict=True), strict=True))
    first = next(iter(scores.values()))
    return References(tuple(cells), rows, (*_notes(first), *_passages(material)))


def _notes(one: ReferenceScore) -> Iterator[str]:
    yield f"Without intervals. {one.chrf_signature}; {one.bleu_signature}; ROUGE: F1 of words."
    if one.bertscore:
        yield f"BERTScore: F1 × 100, {one.bertscore.model}, layer {one.bertscore.layer}."
    if one.supported:
        yield "Words supported: how many of an answer's words its passages or the question hold."
    if one.perplexity:
        left_out = one.perplexity.left_out
        yield (
            "Perplexity: of the best logged answers, under each arm's model and view; lower is "
            f"likelier. The same {number(one.perplexity.tokens)} tokens for every arm"
            + (f"; {left_out} answers too long for one of them are left out." if left_out else ".")
        )


def _passages(material: Material) -> Iterator[str]:
    one = material.judged.contexts if material.judged else None
    if one:
        yield (
            f"The passages against the best logged answers, n = {one.n}: context recall "
            f"{percent(one.recall)} (of those answers' words), context precision "
            f"{percent(one.precision)} (relevant passages first). The same for every arm."
        )
