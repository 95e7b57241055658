"""The training data of a student: tokenised examples, built from the files of a run.

Token ids are int32 arrays. Rows and answers are read one at a time, so neither texts nor records of
a large run are ever held together.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError
from config.schema import Config
from config.training import StudentSettings
from data.answers import Answer, top_logprobs_path
from data.jsonl import read_records
from data.rows import Row
from data.run_paths import RunPaths
from data.top_logprobs import TopLogprobs, read_top_logprobs
from engine.request_builder import RequestBuilder, View
from student.collator import NO_TOKENS, Example, TokenIds

MAX_TOO_LONG = 0.005  # share of the rows that may exceed the model's length and are left out


class TrainingData(NamedTuple):
    """The examples of one student."""

    train: list[Example]
    val: list[Example]
    sha256: str  # of the training examples
    unmatched: int = 0  # train answers left out: the stored probabilities are not of their tokens


def load_training_data(
    config: Config, student: StudentSettings, builder: RequestBuilder
) -> TrainingData:
    """The selected answers, with the teacher's prompt or probabilities if the objective needs them.

    An answer whose stored probabilities are not those of its tokens is left out and counted, such
    as one that ended with another token than the template's. Raises DataError when no answer is
    selected yet, when too many rows are too long, or when no answer's probabilities match.
    """
    run = RunPaths.of(config)
    run.check_selected()
    stored = top_logprobs_path(run.answers("candidates/train"))
    top_logprobs = read_top_logprobs(stored) if student.needs_stored_logprobs else None
    unmatched: list[DataError] = []
    selected = read_records(run.selected, Answer)
    if top_logprobs is not None:
        selected = _matching(builder, selected, top_logprobs, unmatched)
    train = build_examples(
        builder,
        run.training_rows(config),
        selected,
        top_logprobs,
        teacher_view=student.needs_adapter_off,
    )
    if unmatched and not train:
        raise unmatched[0]
    if not train:
        raise DataError(f"{run.selected}: no answer was selected; see teacher/audit.json for why")
    val_answers = read_records(run.selected_val, Answer)
    val = build_examples(builder, run.iter_rows("val"), val_answers)
    return TrainingData(train, val, _sha256(train), len(unmatched))


def _matching(
    builder: RequestBuilder,
    answers: Iterable[Answer],
    top_logprobs: Mapping[str, TopLogprobs],
    unmatched: list[DataError],
) -> Iterator[Answer]:
    """The answers whose stored probabilities are those of the tokens to learn.

    Collects what is wrong with the others in `unmatched`.
    """
    for answer in answers:
        try:
            stored_top_logprobs(top_logprobs, answer, answer_token_ids(builder, answer), builder)
        except DataError as error:
            unmatched.append(error)
        else:
            yield answer


def build_examples(
    builder: RequestBuilder,
    rows: Iterable[Row],
    selected: Iterable[Answer],
    top_logprobs: Mapping[str, TopLogprobs] | None = None,
    teacher_view: bool = False,
) -> list[Example]:
    """One example per row with all its selected answers, in the order of these answers.

    `top_logprobs`: stored distributions by answer key. `teacher_view`: also tokenise the prompted
    view. Rows longer than the model's length are left out. Raises DataError when they are too many,
    and for an answer to none of the rows.
    """
    answers: dict[str, list[TokenIds]] = {}
    distributions: dict[str, list[TopLogprobs]] = {}
    for answer in selected:
        ids = answer_token_ids(builder, answer)
        answers.setdefault(answer.row, []).append(np.array(ids, np.int32))
        if top_logprobs is not None:
            stored = stored_top_logprobs(top_logprobs, answer, ids, builder)
            distributions.setdefault(answer.row, []).append(stored)
    examples: dict[str, Example] = {}
    for row in rows:
        if row.id in answers:
            examples[row.id] = Example(
                _view_ids(builder, row, prompted=False),
                tuple(answers[row.id]),
                tuple(distributions.get(row.id, ())),
                _view_ids(builder, row, prompted=True) if teacher_view else NO_TOKENS,
            )
    gone = next((row_id for row_id in answers if row_id not in examples), None)
    if gone is not None:
        raise DataError(
            f"row {gone}: an answer to it was selected, but the run no longer has the row; "
            "run `python -m teacher CONFIG select` first"
        )
    return _within(builder.config.model.max_length, [examples[row_id] for row_id in answers])


def _view_ids(builder: RequestBuilder, row: Row, prompted: bool) -> TokenIds:
    return np.array(builder.view_ids(row, View(prompted)), np.int32)


def answer_token_ids(builder: RequestBuilder, answer: Answer) -> tuple[int, ...]:
    """The token ids to learn: the teacher's own, if they spell the answer in this tokenizer.

    The text is tokenised anew where the teacher has another tokenizer, or where its ids contain
    control tokens of the chat template.
    """
    ids, end = answer.token_ids, builder.renderer.template.end_of_turn
    if ids and builder.renderer.template.control_ids(ids) == (end,) and ids[-1] == end:
        text = builder.renderer.tokenizer.decode(ids[:-1], clean_up_tokenization_spaces=False)
        if str(text).strip() == answer.text:
            return ids
    return builder.renderer.answer_ids(answer.text)


def stored_top_logprobs(
    stored: Mapping[str, TopLogprobs],
    answer: Answer,
    ids: tuple[int, ...],
    builder: RequestBuilder,
) -> TopLogprobs:
    """The teacher's distribution at each token of an answer; `ids`: the tokens to learn.

    Raises DataError where it is missing, or where it is over the tokens of another model.
    """
    top = stored.get(answer.key)
    if top is not None and ids != answer.token_ids:
        raise DataError(
            f"row {answer.row}: its answer does not end with {builder.config.model.name}'s end of "
            "turn, or the teacher has another tokenizer, so its stored probabilities are not of "
            "the tokens to learn; use objective ce or teacher: adapter_off"
        )
    if top is None or len(top.ids) != len(ids):
        raise DataError(
            f"row {answer.row}: no probabilities are stored for each token of its answer; "
            "set teacher.sampling.logprobs and run `python -m teacher CONFIG generate` again, "
            "or objective.teacher: adapter_off"
        )
    return top


def _within(limit: int, examples: Sequence[Example]) -> list[Example]:
    """The examples whose every answer fits behind the longer prompt."""
    lengths = [
        max(len(example.prompt_ids), len(example.teacher_prompt_ids))
        + max(map(len, example.answers))
        for example in examples
    ]
    too_long = sum(length > limit for length in lengths)
    if too_long > MAX_TOO_LONG * len(lengths):
        ordered = sorted(lengths)
        raise DataError(
            f"{too_long} of {len(lengths)} rows with their answer are longer than "
            f"model.max_length = {limit} tokens (median {ordered[len(lengths) // 2]}, longest "
            f"{ordered[-1]}); set it to {ordered[-1]}"
        )
    return [example for example, length in zip(examples, lengths, strict=True) if length <= limit]


def _sha256(examples: Iterable[Example]) -> str:
    """Hash of all that is learnt from, array by array."""
    checksum = hashlib.sha256()
    for example in examples:
        checksum.update(f"{len(example.answers)} answers".encode())
        tops = example.top_logprobs
        arrays: list[NDArray[Any]] = [example.prompt_ids, example.teacher_prompt_ids]
        arrays += [*example.answers, *(top.ids for top in tops), *(top.logprobs for top in tops)]
        for array in arrays:
            checksum.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    return checksum.hexdigest()


def retention_prompts(builder: RequestBuilder, path: Path) -> list[tuple[int, ...]]:
    """The unprompted views of a file of unrelated questions, one a line.

    Raises DataError when the file cannot be read or holds no question.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except OSError as error:
        raise DataError(f"retention.questions = {path}: {error.strerror}") from None
    questions = list(filter(None, lines))
    if not questions:
        raise DataError(f"retention.questions = {path}: holds no question")
    template = builder.renderer.template
    return [
        template.prompt_ids([{"role": "user", "content": template.neutralise(question)}])
        for question in questions
    ]
