"""From the run's files to what a student learns: examples, in the views that it needs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from config.errors import DataError
from config.schema import Config
from config.training import StudentSettings
from data.answers import Answer, top_logprobs_path
from data.jsonl import read_records
from data.records import digest
from data.rows import Row
from data.run_paths import RunPaths
from data.top_logprobs import TopLogprobs, read_top_logprobs
from engine.request_builder import RequestBuilder, View
from student.collator import Example

MAX_LOST = 0.005  # share of selected answers that may be too long to learn


class TrainingData(NamedTuple):
    """The examples of one student."""

    train: list[Example]
    val: list[Example]
    sha256: str  # of all that is learnt from


def load_training_data(
    config: Config, student: StudentSettings, builder: RequestBuilder
) -> TrainingData:
    """The selected answers with what the student's objective needs beside their text.

    Raises DataError when none was selected, too many do not fit, or stored probabilities lack.
    """
    run = RunPaths.of(config)
    prompted = student.needs_adapter_off
    records = list(read_records(run.selected, Answer))
    if not records:
        raise DataError(f"{run.selected}: no answer was selected; see teacher/audit.json for why")
    tops: dict[str, TopLogprobs] = {}
    if student.needs_stored_logprobs:
        stored = read_top_logprobs(top_logprobs_path(run.answers("candidates/train")))
        tops = stored_tops(stored, records, builder)
    train = examples(builder, list(run.training(config)), records, tops, prompted)
    val_records = list(read_records(run.selected_val, Answer))
    val = examples(builder, run.rows("val"), val_records, {}, False)
    learnt = [[one.prompt_ids, one.answers, one.teacher_prompt_ids] for one in train]
    return TrainingData(train, val, digest([learnt, sorted(tops)]))


def examples(
    builder: RequestBuilder,
    rows: Sequence[Row],
    records: Sequence[Answer],
    tops: dict[str, TopLogprobs],
    prompted: bool,
) -> list[Example]:
    """One example per row with all its answers; those over the model's length are refused.

    prompted: with the teacher's view beside. Raises DataError when too many are too long.
    """
    by_id = {row.id: row for row in rows}
    by_row: dict[str, list[Answer]] = defaultdict(list)
    for record in records:
        by_row[record.row].append(record)
    made = []
    for row_id, kept in by_row.items():
        row = by_id[row_id]
        made.append(
            Example(
                builder.view_ids(row, View(prompted=False)),
                tuple(answer_ids(builder, record) for record in kept),
                tuple(tops[record.key] for record in kept) if tops else (),
                builder.view_ids(row, View(prompted=True)) if prompted else (),
            )
        )
    return _fitting(made, builder.config.model.max_length)


def answer_ids(builder: RequestBuilder, record: Answer) -> tuple[int, ...]:
    """The tokens to learn: as the teacher drew them, or of the text where it spoke in ids that only
    a template may use, or by another tokenizer."""
    drawn, end = record.token_ids, builder.renderer.end_of_turn
    if drawn and builder.renderer.control_ids(drawn) == (end,) and drawn[-1] == end:
        text = builder.renderer.tokenizer.decode(drawn[:-1], clean_up_tokenization_spaces=False)
        if str(text).strip() == record.text:
            return drawn
    return builder.renderer.answer_ids(record.text)


def stored_tops(
    stored: Mapping[str, TopLogprobs], records: Sequence[Answer], builder: RequestBuilder
) -> dict[str, TopLogprobs]:
    """The teacher's distribution at each token of the answers, by their keys.

    Raises DataError where it lacks, or is one over the tokens of another model.
    """
    found = {record.key: stored.get(record.key) for record in records}
    for record in records:
        top = found[record.key]
        learnt = answer_ids(builder, record)
        if top is None or len(top.ids) != len(learnt):
            raise DataError(
                f"row {record.row}: no probabilities are stored for each token of its answer; "
                "set teacher.sampling.logprobs and run `python -m teacher CONFIG generate` again, "
                "or objective.teacher: adapter_off"
            )
        if learnt != record.token_ids:
            raise DataError(
                f"row {record.row}: {builder.config.model.name} has other tokens than the teacher, "
                "whose probabilities are stored; use objective ce or teacher: adapter_off"
            )
    return {key: top for key, top in found.items() if top is not None}


def _fitting(made: Sequence[Example], limit: int) -> list[Example]:
    """Those whose every answer fits behind the prompt."""
    longest = [
        max(len(one.prompt_ids), len(one.teacher_prompt_ids)) + max(map(len, one.answers))
        for one in made
    ]
    lengths = sorted(longest)
    over = [length for length in lengths if length > limit]
    if len(over) > MAX_LOST * len(lengths):
        raise DataError(
            f"{len(over)} of {len(lengths)} rows with their answer are longer than "
            f"model.max_length = {limit} tokens (median {lengths[len(lengths) // 2]}, longest "
            f"{lengths[-1]}); set it to {lengths[-1]}"
        )
    return [one for one, length in zip(made, longest, strict=True) if length <= limit]


def unrelated(builder: RequestBuilder, path: Path) -> list[tuple[int, ...]]:
    """The prompts of a file of unrelated questions, one a line, as a user without prompt asks them.

    Raises DataError when there is none.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except OSError as error:
        raise DataError(f"retention.questions = {path}: {error.strerror}") from None
    questions = [line for line in lines if line]
    if not questions:
        raise DataError(f"retention.questions = {path}: holds no question")
    renderer = builder.renderer
    turns = [{"role": "user", "content": renderer.neutral(question)} for question in questions]
    return [renderer.prompt_ids([turn]) for turn in turns]
