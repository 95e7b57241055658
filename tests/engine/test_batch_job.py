"""The resumable job under faults, with a fake engine that finishes 64 requests out of order.

A sequential writer loses nothing in any design, so only an out-of-order one tests anything.
"""

import os
import random
from pathlib import Path

import pytest

from config.errors import DataError
from config.generation import SamplingSettings
from config.progress import PROGRESS_FILE, latest_event
from data.answers import Answer, read_answers
from data.jsonl import JsonlFile
from engine.base import Adapter, make_request, score_request
from engine.batch_job import Task, run_job
from teacher.rejection_sampling import select
from teacher.scored_candidate import ScoredCandidate
from tests.engine.fake_engine import FakeEngine, fake_tasks

MEANING = {"model": "m", "prompt": "p", "sampling": {"temperature": 0.5}, "seed": 0}


def killed_child(tasks: list[Task], path: Path, paid: Path, seed: int, dies_after: int) -> None:
    """Runs the job in a child that sends itself SIGKILL after `dies_after` completions."""
    child = os.fork()
    if child == 0:
        run_job(FakeEngine(seed, paid, dies_after), tasks, path, MEANING)
        os._exit(0)
    os.waitpid(child, 0)


@pytest.mark.reliability(line=1)
def test_a_hundred_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    """100 SIGKILLs over 5,000 rows, half with torn lines: 0 lost, 0 doubled, cost ≤ 1.05 ×."""
    path, paid, whole = tmp_path / "a.jsonl", tmp_path / "paid", tmp_path / "whole.jsonl"
    rng, tasks = random.Random(0), fake_tasks(5000)
    for kill in range(100):
        killed_child(tasks, path, paid, kill, rng.randrange(5, 90))
        if kill % 2:
            with path.open("ab") as file:
                file.write(rng.randbytes(rng.randrange(1, 300)).replace(b"\n", b" "))
    run_job(FakeEngine(1, paid), tasks, path, MEANING)
    run_job(FakeEngine(2, tmp_path / "other"), tasks, whole, MEANING)
    assert path.read_bytes() == whole.read_bytes()
    assert len(read_answers(path)) == 5000
    assert paid.stat().st_size <= 1.05 * 5000


def test_a_rerun_asks_nothing(tmp_path: Path) -> None:
    """A rerun requests nothing."""
    path, paid = tmp_path / "a.jsonl", tmp_path / "paid"
    first = run_job(FakeEngine(0, paid), fake_tasks(300), path, MEANING)
    second = run_job(FakeEngine(0, paid), fake_tasks(300), path, MEANING)
    assert (first.requested, second.requested, second.reused) == (300, 0, 300)
    assert paid.stat().st_size == 300


def test_reports_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline draws the bar from these events."""
    events = tmp_path / "progress.jsonl"
    monkeypatch.setenv(PROGRESS_FILE, str(events))
    run_job(FakeEngine(0, tmp_path / "paid"), fake_tasks(10), tmp_path / "a.jsonl", {})
    event = latest_event(events)
    assert event is not None and (event.n, event.total, event.unit) == (10, 10, " answers")


@pytest.mark.reliability(line=2)
def test_a_second_process_is_refused_and_the_first_named(tmp_path: Path) -> None:
    """20 of 20: two writers would interleave their lines."""
    path = tmp_path / "a.jsonl"
    with JsonlFile(path, Answer):
        for _ in range(20):
            with pytest.raises(DataError, match=f"process {os.getpid()} is writing it"):
                run_job(FakeEngine(0, tmp_path / "paid"), fake_tasks(1), path, MEANING)


CHANGES: list[dict[str, object]] = [
    {"model": "other"},
    {"model": None},
    {"prompt": "q"},
    {"prompt": ""},
    {"sampling": {"temperature": 0.6}},
    {"sampling": {"temperature": 0.5, "top_p": 0.9}},
    {"sampling": {}},
    {"seed": 1},
    {"seed": None},
    {"chat template": "new"},
    {"rows": "abc"},
    {"adapter": "def"},
]


@pytest.mark.reliability(line=3)
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_semantic_change_is_refused_with_a_diff(
    tmp_path: Path, change: dict[str, object]
) -> None:
    """12 changes: answers under different settings must not be mixed silently."""
    path, paid = tmp_path / "a.jsonl", tmp_path / "paid"
    run_job(FakeEngine(0, paid), fake_tasks(3), path, MEANING)
    with pytest.raises(DataError, match=rf"{next(iter(change))}.* → .*--accept-changes"):
        run_job(FakeEngine(0, paid), fake_tasks(3), path, {**MEANING, **change})
    assert len(read_answers(path)) == 3


def test_an_accepted_change_asks_only_what_it_changes(tmp_path: Path) -> None:
    """The store is keyed by request: three of ten rows get a new prompt, three are requested."""
    path, paid = tmp_path / "a.jsonl", tmp_path / "paid"
    run_job(FakeEngine(0, paid), fake_tasks(10), path, MEANING)
    tasks = fake_tasks(7) + [
        Task(
            "base",
            f"row-{n:05}",
            0,
            make_request("fake", (n, 9), SamplingSettings(max_tokens=8), n),
        )
        for n in range(7, 10)
    ]
    done = run_job(FakeEngine(0, paid), tasks, path, {**MEANING, "prompt": "q"}, True)
    assert (done.requested, done.reused) == (3, 7)
    assert len(read_answers(path)) == 10


@pytest.mark.reliability(line=9)
def test_one_prompt_far_too_long_costs_only_its_row(tmp_path: Path) -> None:
    """A 200,000-token row among 999: recorded without reaching the engine, 999 answered."""
    tasks = fake_tasks(1000)
    request = make_request("fake", tuple(range(200_000)), SamplingSettings(max_tokens=8), 0)
    tasks[500] = Task("base", "row-00500", 0, request)
    done = run_job(FakeEngine(0, tmp_path / "paid"), tasks, tmp_path / "a.jsonl", MEANING)
    assert (done.requested, done.too_long) == (999, 1)
    answers = read_answers(tmp_path / "a.jsonl")
    assert [answer.row for answer in answers if answer.finish == "too_long"] == ["row-00500"]


@pytest.mark.reliability(line=10)
def test_answers_cut_by_the_limit_are_kept_counted_and_never_selected(tmp_path: Path) -> None:
    """A fake that truncates 15 %: none of these may become a training target."""
    path = tmp_path / "a.jsonl"
    done = run_job(
        FakeEngine(0, tmp_path / "paid", truncated_share=0.15), fake_tasks(1000), path, MEANING
    )
    answers = read_answers(path)
    truncated = {answer.row for answer in answers if answer.finish == "length"}
    assert done.truncated == len(truncated) > 100
    candidates = select([ScoredCandidate(answer, [], ()) for answer in answers], max_selected=1)
    rows = {candidate.answer.row: candidate.outcome for candidate in candidates}
    assert {row for row, outcome in rows.items() if outcome == "truncated"} == truncated
    assert {
        row for row, outcome in rows.items() if outcome == "selected"
    } == rows.keys() - truncated


def test_equal_requests_are_asked_once(tmp_path: Path) -> None:
    """Two rows with the same question at temperature 0 share one answer."""
    request = make_request("fake", (1, 2), SamplingSettings(max_tokens=8), 0)
    tasks = [Task("base", row, 0, request) for row in ("a", "b")]
    done = run_job(FakeEngine(0, tmp_path / "paid"), tasks, tmp_path / "a.jsonl", MEANING)
    assert done.requested == 1
    assert [answer.row for answer in read_answers(tmp_path / "a.jsonl")] == ["a", "b"]


def test_a_given_answer_needs_room_behind_its_prompt(tmp_path: Path) -> None:
    """Scoring generates one token: of 2048, 2047 of prompt and answer fit, 2048 do not."""
    requests = [score_request("fake", (1,) * 1000, (2,) * more) for more in (1047, 1048)]
    tasks = [Task("scored/base", f"r{at}", 0, scored) for at, scored in enumerate(requests)]
    done = run_job(FakeEngine(0, tmp_path / "paid"), tasks, tmp_path / "a.jsonl", MEANING)
    assert (done.requested, done.too_long) == (1, 1)
    assert [scored.finish for scored in read_answers(tmp_path / "a.jsonl")] == ["stop", "too_long"]


def test_what_a_given_answers_likelihood_depends_on() -> None:
    """Five requests that differ in one field each, and in where the prompt ends."""
    adapter = Adapter("a", Path(), "sha")
    keys = {
        score_request("m", (1, 2), (3,)).key,
        score_request("n", (1, 2), (3,)).key,
        score_request("m", (1,), (2, 3)).key,
        score_request("m", (1, 2), (4,)).key,
        score_request("m", (1, 2), (3,), adapter).key,
        make_request("m", (1, 2, 3), SamplingSettings(max_tokens=1), 0).key,
    }
    assert len(keys) == 6
