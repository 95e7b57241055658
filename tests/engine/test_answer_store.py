"""The answer store after answers are dropped and rearranged."""

from pathlib import Path

from config.generation import SamplingSettings
from data.answers import read_answers
from engine.answer_store import AnswerStore
from engine.base import make_request
from engine.batch_job import Task, run_job
from tests.engine.fake_engine import FakeEngine, fake_tasks


def test_dropped_answers_are_not_found(tmp_path: Path) -> None:
    """One request, two rows: when the first answer is dropped, the second still answers it."""
    path = tmp_path / "a.jsonl"
    request = make_request("fake", (1, 2), SamplingSettings(max_tokens=8), 0)
    tasks = [Task("base", row, 0, request) for row in ("a", "b")] + fake_tasks(2)
    run_job(FakeEngine(0, tmp_path / "paid"), tasks, path, {})
    store = AnswerStore(path)
    store.drop(lambda answer: answer.row in ("a", "row-00001"))
    assert store.find(request.key, "a", 0) is None
    assert store.find_any(request.key) == store.find(request.key, "b", 0) == 0
    assert store.read(0).row == "b" and request.key in store
    assert tasks[3].request.key not in store
    store.rearrange([1, 0])
    store.close()
    assert [answer.row for answer in read_answers(path)] == ["row-00000", "b"]
