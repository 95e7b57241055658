"""A row in a terminal: its question and passages, and the answers of all arms with the rules that
they break."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from config.errors import DataError
from config.terminal import safe_text
from data.answers import Answer, read_answers
from data.jsonl import read_records
from data.rows import Context, Row
from data.run_paths import Split
from data.stored_file import is_stored
from judge.records import BASE
from judge.verdict import Verdict
from prompts.rules import ScoredRule
from report.formats import short
from report.run_files import RunFiles
from report.show_verdict import evidence_text, labelled_text, similar_names, verdict_mark

PASSAGE_CHARACTERS = 300  # shown of a passage, and of a logged answer
SELECTED = "teacher, selected"  # in place of the arm of a train row's answers
_SPLITS: tuple[Split, ...] = ("val", "hidden", "train")
_Verdicts = Mapping[tuple[str, int], Sequence[Verdict]]  # by arm and sample, of one row


class _SplitRow(NamedTuple):
    """A row with all that the arms answered to it."""

    split: Split
    row: Row
    answers: tuple[Answer, ...]
    verdicts: _Verdicts


def view_row(material: RunFiles, row_id: str) -> RenderableType:
    """A row's question and passages, and each arm's answer with the rules that it breaks.

    Raises DataError for a row that is in no split, with similar ids.
    """
    split_row = _find_row(material, row_id)
    row = split_row.row
    title = Text.assemble(safe_text(row.id, "bold"), f"  ({split_row.split})")
    parts: list[RenderableType] = [title, *_row_parts(row)]
    for answer in split_row.answers:
        parts += ["", *_answer_parts(material, answer, split_row)]
    if not split_row.answers:
        parts += ["", Text(_unanswered(split_row.split), "yellow")]
    return Group(*parts)


def _find_row(material: RunFiles, row_id: str) -> _SplitRow:
    ids: list[str] = []
    for split in _SPLITS:
        for row in material.run.iter_rows(split):
            if row.id == row_id:
                return _read_split_row(material, split, row)
            ids.append(row.id)
    raise DataError(f"--row {row_id}: the run has no such row; {similar_names(row_id, ids)}")


def _read_split_row(material: RunFiles, split: Split, row: Row) -> _SplitRow:
    """The row with its answers: of every arm on val, of base and best student on hidden, the
    selected ones on train."""
    run = material.run
    if split == "val":
        others = [arm for arm in material.answers if not arm.endswith("+prompt")]  # of this choice
        arms = dict.fromkeys((*material.arms, *others))
        answers = [a for arm in arms for a in material.answers.get(arm, ()) if a.row == row.id]
        verdicts = material.verdicts or ()
    elif split == "hidden":
        hidden_arms = [arm for arm in (BASE, material.student) if arm is not None]
        answers = [
            answer.model_copy(update={"arm": arm})
            for arm in hidden_arms
            for answer in read_answers(run.answers(f"hidden/{arm.removeprefix('student/')}"))
            if answer.row == row.id
        ]
        verdicts = _stored_verdicts(run.hidden_verdicts)
    else:
        selected = read_answers(run.selected) if is_stored(run.selected) else []
        answers = [a.model_copy(update={"arm": SELECTED}) for a in selected if a.row == row.id]
        verdicts = ()
    by_answer = defaultdict[tuple[str, int], list[Verdict]](list)
    for verdict in verdicts:
        if verdict.row == row.id:
            by_answer[verdict.arm, verdict.sample].append(verdict)
    return _SplitRow(split, row, tuple(answers), by_answer)


def _stored_verdicts(path: Path) -> tuple[Verdict, ...]:
    return tuple(read_records(path, Verdict)) if is_stored(path) else ()


def _unanswered(split: Split) -> str:
    if split == "train":
        return "No answer of the teacher to it was selected, so no student learnt from it."
    return "No arm has answered it yet."


def _row_parts(row: Row) -> Iterator[RenderableType]:
    for turn in row.history:
        yield labelled_text("earlier question", turn.question)
        yield from _passages(turn.contexts)
        yield labelled_text("earlier answer", turn.answer)
    yield labelled_text("question", row.question)
    yield from _passages(row.contexts)
    for tag, value in row.tags.items():
        yield labelled_text(f"tag {tag}", value)
    if row.labels:
        yield labelled_text("labels", ", ".join(row.labels))
    for system, answer in row.answers.items():
        yield labelled_text(f"logged answer of {system}", short(answer, PASSAGE_CHARACTERS))


def _passages(contexts: Sequence[Context]) -> Iterator[RenderableType]:
    for number, context in enumerate(contexts, 1):
        yield labelled_text(f"passage {number}", short(context.text, PASSAGE_CHARACTERS))


def _answer_parts(
    material: RunFiles, answer: Answer, split_row: _SplitRow
) -> Iterator[RenderableType]:
    """One arm's answer, and what the judge said of it."""
    notes = ["best student"] * (answer.arm == material.student)
    notes += ["cut at the token limit"] * (answer.finish == "length")
    if answer.dropped:
        notes.append(f"without the last {answer.dropped} passages, which do not fit")
    note = f" ({'; '.join(notes)})" if notes else ""
    yield Text.assemble(safe_text(answer.arm, "bold"), note)
    lines: list[Text] = []
    if answer.finish == "too_long":
        lines.append(Text("the row does not fit model.max_length: not answered", "yellow"))
    else:
        lines.append(safe_text(answer.text or "(empty)"))
    if split_row.split != "train":  # a selected answer passed every must-rule
        verdicts = split_row.verdicts.get((answer.arm, answer.sample), ())
        lines += _verdict_parts(verdicts, material.rules.scored_rules())
    yield Padding(Group(*lines), (0, 2), expand=False)


def _verdict_parts(verdicts: Sequence[Verdict], rules: Sequence[ScoredRule]) -> Iterator[Text]:
    """A line per rule that is broken or undecided, in the rule file's order, and a count."""
    by_rule = {verdict.rule: verdict for verdict in verdicts}
    for scored in rules:
        verdict = by_rule.get(scored.id)
        if verdict is not None and verdict.outcome in ("fail", "missing"):
            name = safe_text(scored.id if scored.must else f"{scored.id} (should)")
            yield Text.assemble(
                verdict_mark(verdict), " ", name, safe_text(f": {evidence_text(verdict, scored)}")
            )
    due = [verdict for verdict in verdicts if verdict.outcome != "not_applicable"]
    passes = sum(verdict.outcome == "pass" for verdict in due)
    if verdicts:
        yield Text(f"✓ obeys {passes} of the {len(due)} rules that are due", "green")
    else:
        yield Text("not judged", "dim")
