"""The table of the reference metrics, and how to read its columns.

A column without any value is not shown: perplexity needs logged answers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from judge.records import Mean, Perplexity, ReferenceScore
from report.formats import NONE, number, percent
from report.run_files import RunFiles


@dataclass(frozen=True)
class ReferenceTable:
    """Cells as text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]  # arm, its cells
    notes: tuple[str, ...]


def _with_n(mean: Mean | Perplexity | None, scale: Callable[[float], str]) -> str:
    return NONE if mean is None else f"{scale(mean.value)}, n = {mean.n}"


def _decimal(value: float) -> str:
    return number(value, 1)


_COLUMNS: dict[str, Callable[[ReferenceScore], str]] = {
    "chrF++": lambda score: _decimal(score.chrf),
    "BLEU": lambda score: _decimal(score.bleu),
    "ROUGE-1": lambda score: _decimal(score.rouge1),
    "ROUGE-2": lambda score: _decimal(score.rouge2),
    "ROUGE-L": lambda score: _decimal(score.rouge_l),
    "n": lambda score: str(score.n),
    "lexical grounding": lambda score: _with_n(score.lexical_grounding, percent),
    "perplexity": lambda score: _with_n(score.perplexity, _decimal),
}


def build_reference_table(material: RunFiles) -> ReferenceTable | None:
    """None when no shown arm has answers with a logged reference."""
    by_arm = {arm: material.reference(arm) for arm in material.arms}
    scores = {arm: score for arm, score in by_arm.items() if score is not None}
    if not scores:
        return None
    cells = {name: [cell(score) for score in scores.values()] for name, cell in _COLUMNS.items()}
    cells = {name: values for name, values in cells.items() if set(values) != {NONE}}
    rows = tuple(zip(scores, zip(*cells.values(), strict=True), strict=True))
    notes = (*_notes(list(scores.values())), *_passages(material))
    return ReferenceTable(tuple(cells), rows, notes)


def _notes(scores: Sequence[ReferenceScore]) -> Iterator[str]:
    """How to read the columns; the settings of a metric are the same for all arms."""
    yield (
        f"Without intervals. {scores[0].chrf_signature}; {scores[0].bleu_signature}; "
        "ROUGE: F1 of words."
    )
    if any(score.lexical_grounding for score in scores):
        yield "Lexical grounding: share of an answer's words found in its passages or question."
    for perplexity in [score.perplexity for score in scores if score.perplexity][:1]:
        left_out = f"; {perplexity.left_out} answers too long for one of them are left out"
        yield (
            "Perplexity of the best logged answers under each arm's model and prompt; lower is "
            f"likelier. The same {number(perplexity.tokens)} tokens for every arm"
            f"{left_out if perplexity.left_out else ''}."
        )


def _passages(material: RunFiles) -> Iterator[str]:
    contexts = material.judged.contexts if material.judged else None
    if contexts:
        yield (
            f"The passages against the best logged answers, n = {contexts.n}: context recall "
            f"{percent(contexts.recall)} (of those answers' words), context precision "
            f"{percent(contexts.precision)} (relevant passages first). The same for every arm."
        )
