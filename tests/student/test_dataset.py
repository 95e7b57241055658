"""The examples of a student, and the tokens of answers on other bases than the teacher's."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from config.errors import DataError
from config.load import load_config
from config.schema import Config
from data.answers import Answer, top_logprobs_path
from data.jsonl import read_records, write_records
from data.run_paths import RunPaths
from data.top_logprobs import TopLogprobs, TopLogprobsStore
from engine.request_builder import RequestBuilder, View
from student.collator import Example
from student.dataset import load_training_data
from student.target_tokens import answer_token_ids, stored_top_logprobs
from tests.student.run_factory import ROOT, add_cases, experiment, other_tokenizer_model, tiny_model

TEXT = "Lakeside desk: the library opens at nine."


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def builder(folder: Path, model: Path) -> RequestBuilder:
    """The demo on a model, in a folder."""
    return RequestBuilder(load_config(experiment(folder, model)))


@pytest.fixture(scope="module")
def builders(tmp_path_factory: pytest.TempPathFactory) -> tuple[RequestBuilder, RequestBuilder]:
    """With the teacher's tokenizer, and with another one."""
    folder = tmp_path_factory.mktemp("bases")
    same, other = tiny_model(folder / "same"), other_tokenizer_model(folder / "other")
    return builder(folder / "a", same), builder(folder / "b", other)


def letter_answer(same: RequestBuilder) -> Answer:
    """An answer letter by letter: a model may sample it, but no tokenizer encodes it so."""
    letters = [same.renderer.tokenizer.encode(letter)[0] for letter in TEXT]
    ids = (*letters, same.renderer.template.end_of_turn)
    return Answer(
        key="k",
        arm="candidates/train",
        row="r0",
        sample=0,
        text=TEXT,
        token_ids=ids,
        finish="stop",
        seed=0,
        prompt_tokens=1,
    )


def test_ids_where_they_mean_the_text_else_the_text(
    builders: tuple[RequestBuilder, RequestBuilder],
) -> None:
    """The same tokenizer learns the sampled ids; another one, where these ids are other letters,
    tokenises the text. Both end with their own end of turn, here the same id."""
    same, other = builders
    answer = letter_answer(same)
    assert answer_token_ids(same, answer) == answer.token_ids != same.renderer.answer_ids(TEXT)
    assert same.renderer.template.end_of_turn == other.renderer.template.end_of_turn
    learnt = answer_token_ids(other, answer)
    assert learnt == other.renderer.answer_ids(TEXT) != answer.token_ids
    assert other.renderer.tokenizer.decode(learnt[:-1]) == TEXT


def test_probabilities_over_other_tokens_are_refused(
    builders: tuple[RequestBuilder, RequestBuilder],
) -> None:
    """Also where the other model's answer has just as many tokens."""
    same, other = builders
    answer = letter_answer(same)

    def stored(builder: RequestBuilder) -> tuple[tuple[int, ...], dict[str, TopLogprobs]]:
        ids = answer_token_ids(builder, answer)
        size = (len(ids), 3)
        top = TopLogprobs(np.zeros(size, np.int32), np.zeros(size, np.float16))
        return ids, {"k": top}

    ids, distributions = stored(same)
    assert stored_top_logprobs(distributions, answer, ids, same) is distributions["k"]
    ids, distributions = stored(other)
    with pytest.raises(DataError, match="or the teacher has another tokenizer"):
        stored_top_logprobs(distributions, answer, ids, other)
    with pytest.raises(DataError, match="no probabilities are stored"):
        stored_top_logprobs({}, answer, ids, same)


def test_examples_follow_the_selected_answers(tmp_path: Path) -> None:
    """Arrays of ids in the order of selected.jsonl, several answers of a row together; the hash
    changes with the data and with nothing else."""
    config = load_config(experiment(tmp_path, tiny_model(tmp_path / "model")))
    run, builder = RunPaths.of(config), RequestBuilder(config)
    answers = list(read_records(run.selected, Answer))
    second = answers[3].model_copy(update={"sample": 1, "text": "Lakeside desk: again"})
    write_records(run.selected, [*reversed(answers), second])
    data = load_training_data(config, config.students[0], builder)
    rows = {row.id: row for row in run.rows("train")}
    for example, answer in zip(data.train, reversed(answers), strict=True):
        view = builder.view_ids(rows[answer.row], View(prompted=False))
        assert tuple(example.prompt_ids.tolist()) == view
        assert tuple(example.answers[0].tolist()) == builder.renderer.answer_ids(answer.text)
        assert example.prompt_ids.dtype == example.answers[0].dtype == np.int32
        assert len(example.answers) == (2 if answer.row == second.row else 1)
    assert load_training_data(config, config.students[0], builder).sha256 == data.sha256
    write_records(run.selected, answers)
    assert load_training_data(config, config.students[0], builder).sha256 != data.sha256


STORED = ("students.0.objective={kind: kl}", "teacher.sampling.logprobs=3")


def select_with_probabilities(config: Config, other_ends: Sequence[str]) -> int:
    """Gives every selected answer stored probabilities; returns the number of answers.

    Those of the rows `other_ends` end with another token than the template's.
    """
    run, builder = RunPaths.of(config), RequestBuilder(config)
    answers = list(read_records(run.selected, Answer))
    keys = {answer.key for answer in answers}
    path = top_logprobs_path(run.answers("candidates/train"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    store = TopLogprobsStore(path, keys)
    for index, answer in enumerate(answers):
        ids = builder.renderer.answer_ids(answer.text)
        if answer.row in other_ends:
            ids = (*ids[:-1], 0)  # <|endoftext|>
        size = (len(ids), 3)
        store.append(answer.key, TopLogprobs(np.ones(size, np.int32), np.zeros(size, np.float16)))
        answers[index] = answer.model_copy(update={"token_ids": ids})
    store.finish(keys)
    write_records(run.selected, answers)
    return len(answers)


def test_an_answer_with_another_end_is_left_out_and_counted(tmp_path: Path) -> None:
    """The others are learnt; where none is left the reason is said."""
    config = load_config(experiment(tmp_path, tiny_model(tmp_path / "model")), STORED)
    builder, run = RequestBuilder(config), RunPaths.of(config)
    total = select_with_probabilities(config, ["r3", "r5"])
    data = load_training_data(config, config.students[0], builder)
    assert data.unmatched == 2 and len(data.train) == total - 2
    rows = [answer.row for answer in read_records(run.selected, Answer)]
    select_with_probabilities(config, rows)
    with pytest.raises(DataError, match=r"row r0: .* does not end with .* end of turn"):
        load_training_data(config, config.students[0], builder)


def test_dictated_answers_need_no_stored_probabilities(tmp_path: Path) -> None:
    """A constructed and a prefilled answer among others: none is left out, and they are marked."""
    config = load_config(experiment(tmp_path, tiny_model(tmp_path / "model")), STORED)
    builder, run = RequestBuilder(config), RunPaths.of(config)
    total = select_with_probabilities(config, [])
    answers = list(read_records(run.selected, Answer))
    answers[3] = Answer.from_text("candidates/train", "r3", answers[3].text).model_copy(
        update={"how": "constructed"}
    )
    answers[5] = answers[5].model_copy(update={"how": "prefilled", "key": "not stored"})
    answers[7] = answers[7].model_copy(update={"how": "reminded"})
    write_records(run.selected, answers)
    data = load_training_data(config, config.students[0], builder)
    assert data.unmatched == 0 and len(data.train) == total
    dictated = [n for n, example in enumerate(data.train) if example.dictated == (True,)]
    assert dictated == [3, 5]
    assert [n for n, e in enumerate(data.train) if e.top_logprobs == (None,)] == dictated
    assert data.train[3].answers[0].tolist() == list(builder.renderer.answer_ids(answers[3].text))


def test_answers_of_a_guided_view_are_text_where_the_base_reads_the_prompted_one(
    tmp_path: Path,
) -> None:
    """A reminder made the answer; behind the prompt alone the base would give it a low
    probability, and the student would learn that. Stored probabilities are the reminder's own."""
    change = "students.0.objective={kind: kl, teacher: adapter_off}"
    config = load_config(experiment(tmp_path, tiny_model(tmp_path / "model")), [*STORED, change])
    builder, run = RequestBuilder(config), RunPaths.of(config)
    select_with_probabilities(config, [])
    answers = list(read_records(run.selected, Answer))
    for place, how in enumerate(("sampled", "focused", "reminded", "prefilled")):
        answers[place] = answers[place].model_copy(update={"how": how})
    write_records(run.selected, answers)
    data = load_training_data(config, config.students[0], builder)
    by_text = [example.dictated for example in data.train[:4]]
    assert by_text == [(False,), (True,), (True,), (True,)]
    assert all(len(example.teacher_prompt_ids) for example in data.train)


@pytest.mark.parametrize("objective", ["{kind: ce}", "{kind: kl}"])
def test_a_share_of_the_rows_is_learnt_behind_the_prompt_too(
    tmp_path: Path, objective: str
) -> None:
    """6 of 24 rows: the same answers and probabilities behind exactly the prompted view. A larger
    share has these rows and more; another seed has others."""
    changes = [*STORED, f"students.0.objective={objective}", "students.0.prompted_share=0.25"]
    config = load_config(experiment(tmp_path, tiny_model(tmp_path / "model")), changes)
    select_with_probabilities(config, [])
    builder, student = RequestBuilder(config), config.students[0]
    data = load_training_data(config, student, builder)
    numbers = {answer_of(example): number for number, example in enumerate(data.train)}
    assert len(data.train) == len(numbers) == 24 and len(data.prompted) == 6
    rows = RunPaths.of(config).rows("train")
    chosen = [numbers[answer_of(example)] for example in data.prompted]
    assert chosen == sorted(chosen), "in the order of the answers"
    for number, behind in zip(chosen, data.prompted, strict=True):
        assert tuple(behind.prompt_ids) == builder.view_ids(rows[number], View(prompted=True))
        unprompted = data.train[number]
        assert behind._replace(prompt_ids=unprompted.prompt_ids) == unprompted

    def chosen_with(**update: object) -> set[int]:
        changed = load_training_data(config, student.model_copy(update=update), builder)
        return {numbers[answer_of(example)] for example in changed.prompted}

    assert chosen_with() == set(chosen)
    assert chosen_with(prompted_share=0.5) > set(chosen)
    assert chosen_with(prompted_share=0.0) == set()
    assert len(chosen_with(prompted_share=1.0)) == 24
    assert chosen_with(seed=7) != set(chosen)


def answer_of(example: Example) -> tuple[int, ...]:
    """The first answer's token ids, which name the row."""
    return tuple(example.answers[0].tolist())


def test_weights_and_marks_are_part_of_the_hash(tmp_path: Path) -> None:
    """Another weight or a dictated answer is another training."""
    config = load_config(experiment(tmp_path, tiny_model(tmp_path / "model")))
    add_cases(config)
    builder, run, student = RequestBuilder(config), RunPaths.of(config), config.students[0]
    plain = load_training_data(config, student, builder)
    weighted = load_training_data(
        config, student.model_copy(update={"case_weights": True}), builder
    )
    assert {example.weight for example in plain.train} == {1.0}
    # off topic: 6 of 48 rows, 6 of 24 answers → 0.5; ordinary 42 of 48, 18 of 24 → 7/6. All answers
    # have as many tokens, give or take the digits of their row's id, so their mean is 1 already.
    assert weighted.train[3].weight == pytest.approx(0.5, rel=0.02)
    assert weighted.train[0].weight == pytest.approx(7 / 6, rel=0.02)
    answers = list(read_records(run.selected, Answer))
    answers[0] = answers[0].model_copy(update={"how": "constructed"})
    write_records(run.selected, answers)
    marked = load_training_data(config, student, builder)
    assert len({plain.sha256, weighted.sha256, marked.sha256}) == 3
