"""Candidates in rounds: which rows are asked again, and that a kill loses nothing."""

from collections import Counter
from pathlib import Path

import pytest

from config.errors import DataError
from config.generation import TeacherSettings
from data.answers import Answer, read_answers, top_logprobs_path
from data.jsonl import read_records
from data.run_paths import RunPaths
from data.top_logprobs import read_top_logprobs
from engine.request_builder import RequestBuilder
from teacher.example_orders import example_orders
from teacher.generate import TeacherModels, generate
from teacher.rejection_sampling import select_all
from teacher.scoring import BASE_ARM
from tests.teacher.candidate_factory import ROOT, ScriptedEngine, experiment, stored


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # the demo's prompt paths are relative to it


def test_a_row_is_asked_until_a_candidate_breaks_no_rule(tmp_path: Path) -> None:
    """Good in round k costs k + 1 requests, never good all 4; the good candidate is selected."""
    config = experiment(tmp_path, {"a": 1, "b": 0, "c": 3, "never": 9}, "teacher.guided=false")
    engine = ScriptedEngine(RequestBuilder(config))
    summaries = generate(config, TeacherModels(engine), accept_changes=False)
    answers = read_answers(RunPaths.of(config).answers("candidates/train"))
    sampled = Counter(answer.row for answer in answers)
    assert sampled == {"a": 2, "b": 1, "c": 4, "never": 4}
    assert summaries["candidates/train"].requested == 11
    assert [(answer.row, answer.sample) for answer in answers[:4]] == [
        (row, 0) for row in ("a", "b", "c", "never")
    ]
    selection = select_all(config, stored(config)[1])["train"]
    assert (selection.selected, selection.rows_left_out) == (3, {"broke_must_rule": ("never",)})
    top_logprobs = read_top_logprobs(
        top_logprobs_path(RunPaths.of(config).answers("candidates/train"))
    )
    assert set(top_logprobs) == {answer.key for answer in answers} and len(top_logprobs) == 11
    selected = list(read_records(RunPaths.of(config).selected, Answer))
    assert [(answer.token_ids, len(top_logprobs[answer.key].ids)) for answer in selected] == [
        ((1, 2), 2)
    ] * 3
    assert not top_logprobs_path(RunPaths.of(config).answers("teacher")).exists(), (
        "greedy answers have none"
    )


def test_the_base_is_asked_once_about_each_train_row(tmp_path: Path) -> None:
    """Greedily and without the prompt. Selection without these answers names the next command."""
    config = experiment(tmp_path, {"a": 0, "b": 9})
    engine = ScriptedEngine(RequestBuilder(config))
    generate(config, TeacherModels(engine), accept_changes=False)
    path = RunPaths.of(config).answers(BASE_ARM)
    assert [(answer.row, answer.sample) for answer in read_answers(path)] == [("a", 0), ("b", 0)]
    assert engine.bare == 2
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(DataError, match=r"base\.jsonl: .* row b; run `unprompted teac"):
        stored(config)


def test_a_second_run_asks_nothing_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """Answers are found by key, in whichever round they were sampled."""
    config = experiment(tmp_path, {"a": 2, "b": 0})
    engine = ScriptedEngine(RequestBuilder(config))
    generate(config, TeacherModels(engine), accept_changes=False)
    path = RunPaths.of(config).answers("candidates/train")
    before, asked = path.read_bytes(), engine.asked.total()
    summaries = generate(config, TeacherModels(engine), accept_changes=False)
    assert engine.asked.total() == asked and engine.bare == 2
    assert (summaries["candidates/train"].requested, summaries["candidates/train"].reused) == (0, 4)
    assert path.read_bytes() == before


def test_a_kill_in_the_second_round_loses_nothing(tmp_path: Path) -> None:
    """Answers from before the kill are reused, in both rounds."""
    config = experiment(tmp_path, {"a": 2, "b": 2, "c": 0})
    whole = ScriptedEngine(RequestBuilder(config))
    generate(config, TeacherModels(whole), accept_changes=False)
    path = RunPaths.of(config).answers("candidates/train")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]) + lines[4][:20])  # one of round 2, and an unfinished line
    again = ScriptedEngine(RequestBuilder(config))
    again.asked.update(whole.asked)  # as the whole run left it
    summaries = generate(config, TeacherModels(again), accept_changes=False)
    assert summaries["candidates/train"].reused == 4
    assert {(answer.row, answer.sample) for answer in read_answers(path)} >= {
        ("a", 0),
        ("b", 0),
        ("c", 0),
    }


SEMANTIC = [
    "seed=1",
    "teacher.sampling.temperature=0.5",
    "teacher.sampling.top_p=0.9",
    "teacher.sampling.max_tokens=40",
    "teacher.sampling.logprobs=null",
    "teacher.candidates=5",
    "teacher.shuffle_examples=false",
    "predict.sampling.temperature=0.1",
    "model.max_length=1900",
    "model.template_kwargs.thinking=false",
    "prompt.examples=null",
    "prompt.tags=[campus]",
]
HARMLESS = [
    "teacher.max_selected=2",
    "teacher.guided=false",
    "teacher.balance=logs",
    "students.0.learning_rate=0.1",
    "students.0.tokens_per_pass=512",
    "judge.llm=none",
    "report_to=trackio",
]


@pytest.mark.reliability(line=3)
@pytest.mark.parametrize("change", [*SEMANTIC, *HARMLESS])
def test_only_settings_that_change_answers_are_refused(tmp_path: Path, change: str) -> None:
    """12 semantic settings are refused by name, 7 harmless ones are accepted."""
    config = experiment(tmp_path, {"a": 0})
    generate(config, TeacherModels(ScriptedEngine(RequestBuilder(config))), accept_changes=False)
    changed = experiment(tmp_path, {"a": 0}, change)
    engine = ScriptedEngine(RequestBuilder(changed))
    if change in HARMLESS:
        generate(changed, TeacherModels(engine), accept_changes=False)
        return
    with pytest.raises(DataError, match=r"was made with other settings: .* → .*--accept-changes"):
        generate(changed, TeacherModels(engine), accept_changes=False)
    assert engine.asked.total() == 0


def test_each_example_comes_last_once() -> None:
    """As written first, then orders that end with each example, all of them permutations."""
    five, three = TeacherSettings(candidates=5), TeacherSettings(candidates=3)
    orders = [order or () for order in example_orders(five, 3, seed=0)]
    assert orders[0] == (0, 1, 2)
    assert [order[-1] for order in orders[1:]] == [0, 1, 2, 0]
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert example_orders(five, 3, seed=0) == orders
    assert example_orders(three, 0, seed=0) == [(), (), ()]
