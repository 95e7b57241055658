"""The training data of a student: tokenised examples, built from the files of a run.

Token ids are int32 arrays. Rows and answers are read one at a time, so neither texts nor records of
a large run are ever held together.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from config.errors import DataError, system_way_out
from config.schema import Config
from config.training import StudentSettings
from data.answers import Answer, top_logprobs_path
from data.jsonl import read_records
from data.records import digest
from data.rows import Row
from data.run_paths import RunPaths
from data.top_logprobs import TopLogprobs, read_top_logprobs
from engine.request_builder import RequestBuilder, View
from judge.evaluation_rows import evaluation_rows
from student.case_weights import weigh_by_case
from student.collator import NO_TOKENS, Example, TokenIds
from student.first_token_weight import weigh_first_tokens
from student.target_tokens import answer_token_ids, matching_answers, stored_top_logprobs

MAX_TOO_LONG = 0.005  # share of the rows that may exceed the model's length and are left out


class TrainingData(NamedTuple):
    """The examples of one student."""

    train: list[Example]
    val: list[Example]
    sha256: str  # of all training examples
    unmatched: int = 0  # train answers left out: the stored probabilities are not of their tokens
    prompted: tuple[Example, ...] = ()  # a share of `train` again, behind the prompt
    evaluated: tuple[Row, ...] = ()  # val rows whose generated answers are scored in training


def load_training_data(
    config: Config,
    student: StudentSettings,
    builder: RequestBuilder,
    held_out: Collection[str] = (),
) -> TrainingData:
    """The selected answers, with the teacher's prompt or probabilities if the objective needs them.

    Val rows whose id is in `held_out` are left out.

    An answer whose stored probabilities are not those of its tokens is left out and counted, such
    as one that ended with another token than the template's; a dictated answer needs none. Raises
    DataError when no answer is selected yet, when too many rows are too long, or when no answer's
    probabilities match.
    """
    run = RunPaths.of(config)
    run.check_selected()
    stored = top_logprobs_path(run.answers("candidates/train"))
    top_logprobs = read_top_logprobs(stored) if student.needs_stored_logprobs else None
    unmatched: list[DataError] = []
    selected = read_records(run.selected, Answer)
    if top_logprobs is not None:
        selected = matching_answers(builder, selected, top_logprobs, unmatched)
    by_row = build_examples(
        builder,
        run.training_rows(config),
        selected,
        top_logprobs,
        teacher_view=student.needs_adapter_off,
    )
    if unmatched and not by_row:
        raise unmatched[0]
    if not by_row:
        raise DataError(
            f"{run.selected}: no answer was selected; `unprompted teacher … select` says why"
        )
    if student.case_weights:
        by_row = weigh_by_case(builder.rules, run.training_rows(config), by_row)
    if student.first_token_weight != 1:
        by_row = weigh_first_tokens(by_row, student.first_token_weight)
    limit, seed = config.model.max_length, config.seed_of(student)
    again = _prompted_rows(by_row, student.prompted_share, seed)
    prompted = _within(limit, _behind_the_prompt(builder, run.training_rows(config), again))
    train = _within(limit, by_row.values())
    val_answers = (a for a in read_records(run.selected_val, Answer) if a.row not in held_out)
    val_rows = [row for row in run.iter_rows("val") if row.id not in held_out]
    val = build_examples(builder, val_rows, val_answers)
    return TrainingData(
        train,
        _within(limit, val.values()),
        _sha256([*train, *prompted]),
        len(unmatched),
        tuple(prompted),
        tuple(evaluation_rows(builder.rules, val_rows, config.predict.eval_rows)),
    )


def _prompted_rows(by_row: Mapping[str, Example], share: float, seed: int) -> dict[str, Example]:
    """That share of the rows, those with the lowest hash: a larger share has them all and more."""
    if not share:
        return {}
    order = sorted(by_row, key=lambda row_id: digest(["prompted", seed, row_id]))
    chosen = set(order[: round(share * len(order))])
    return {row_id: example for row_id, example in by_row.items() if row_id in chosen}


def _behind_the_prompt(
    builder: RequestBuilder, rows: Iterable[Row], by_row: Mapping[str, Example]
) -> list[Example]:
    """The examples of these rows as a client sees them that still sends the prompt."""
    examples: dict[str, Example] = {}
    for row in rows:
        if row.id in by_row:
            prompt_ids = _view_ids(builder, row, View(prompted=True))
            examples[row.id] = by_row[row.id]._replace(prompt_ids=prompt_ids)
    return [examples[row_id] for row_id in by_row]


class _Targets:
    """The selected answers to one row."""

    def __init__(self) -> None:
        self.answers: list[TokenIds] = []
        self.top_logprobs: list[TopLogprobs | None] = []
        self.dictated: list[bool] = []

    def example(self, prompt_ids: TokenIds, teacher_prompt_ids: TokenIds) -> Example:
        return Example(
            prompt_ids,
            tuple(self.answers),
            tuple(self.top_logprobs),
            teacher_prompt_ids,
            tuple(self.dictated),
        )


def build_examples(
    builder: RequestBuilder,
    rows: Iterable[Row],
    selected: Iterable[Answer],
    top_logprobs: Mapping[str, TopLogprobs] | None = None,
    teacher_view: bool = False,
) -> dict[str, Example]:
    """Row id → the example with all its selected answers, in the order of these answers.

    `top_logprobs`: stored distributions by answer key. `teacher_view`: also tokenise the prompted
    view, which the base reads during training; the answers of a guided view, which it would not
    give there, are then learnt by their text alone. Raises DataError for an answer to none of the
    rows.
    """
    targets: dict[str, _Targets] = defaultdict(_Targets)
    for answer in selected:
        ids = answer_token_ids(builder, answer)
        of_row = targets[answer.row]
        of_row.answers.append(np.array(ids, np.int32))
        of_row.dictated.append(answer.dictated or (teacher_view and answer.how != "sampled"))
        if top_logprobs is not None:
            of_row.top_logprobs.append(
                None if answer.dictated else stored_top_logprobs(top_logprobs, answer, ids, builder)
            )
    examples: dict[str, Example] = {}
    for row in rows:
        if row.id in targets:
            prompted = _view_ids(builder, row, View(prompted=True)) if teacher_view else NO_TOKENS
            unprompted = _view_ids(builder, row, View(prompted=False))
            examples[row.id] = targets[row.id].example(unprompted, prompted)
    gone = next((row_id for row_id in targets if row_id not in examples), None)
    if gone is not None:
        raise DataError(
            f"row {gone}: an answer to it was selected, but the run no longer has the row; "
            "run `unprompted teacher CONFIG select` first"
        )
    return {row_id: examples[row_id] for row_id in targets}


def _view_ids(builder: RequestBuilder, row: Row, view: View) -> TokenIds:
    return np.array(builder.view_ids(row, view), np.int32)


def _within(limit: int, examples: Iterable[Example]) -> list[Example]:
    """The examples whose every answer fits behind the longer prompt.

    Raises DataError when those that do not are too many.
    """
    examples = list(examples)
    lengths = [
        max(len(example.prompt_ids), len(example.teacher_prompt_ids))
        + max(map(len, example.answers))
        for example in examples
    ]
    too_long = sum(length > limit for length in lengths)
    if too_long > MAX_TOO_LONG * len(lengths):
        longest = max(lengths)
        raise DataError(
            f"{too_long} of {len(lengths)} rows with their answer are longer than "
            f"model.max_length = {limit} tokens ({_histogram(lengths)}, the longest {longest}); "
            f"set it to at least {longest}"
        )
    return [example for example, length in zip(examples, lengths, strict=True) if length <= limit]


def _histogram(lengths: Iterable[int]) -> str:
    """How many rows are up to each power of two long: "40 up to 512, 2 up to 1024"."""
    counts = Counter(1 << (length - 1).bit_length() for length in lengths)
    return ", ".join(f"{count} up to {length}" for length, count in sorted(counts.items()))


def _sha256(examples: Iterable[Example]) -> str:
    """Hash of all that is learnt from, array by array."""
    checksum = hashlib.sha256()
    for example in examples:
        checksum.update(f"{example.dictated} by {example.weight}".encode())
        tops = [top for top in example.top_logprobs if top is not None]
        arrays: list[NDArray[Any]] = [example.prompt_ids, example.teacher_prompt_ids]
        arrays += [*example.answers, *(top.ids for top in tops), *(top.logprobs for top in tops)]
        arrays += example.token_weights
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
        way_out = system_way_out(error) or "name a file that is there"
        raise DataError(f"retention.questions = {path}: {error.strerror}; {way_out}") from None
    except UnicodeDecodeError:
        raise DataError(
            f"retention.questions = {path}: is not UTF-8; save it as UTF-8 text"
        ) from None
    questions = list(filter(None, lines))
    if not questions:
        raise DataError(f"retention.questions = {path}: holds no question")
    template = builder.renderer.template
    return [
        template.prompt_ids([{"role": "user", "content": template.neutralise(question)}])
        for question in questions
    ]
