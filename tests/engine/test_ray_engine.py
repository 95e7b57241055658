"""Ray Data: several workers, a killed worker, and errors in one line."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from config.backends import RayBackend
from config.errors import SetupError
from config.load import load_config
from data.answers import read_answers
from engine.batch_job import run_job
from engine.factory import teacher_engine
from engine.ray_engine import RayEngine
from tests.engine.echo_model import renderer, request
from tests.engine.fake_engine import fake_tasks
from tests.engine.pausing_engine import FailingEngine, PausingEngine

pytest.importorskip("ray", reason="ray is not installed: pip install '.[ray]'")
pytestmark = pytest.mark.timeout(600)  # a worker takes as long to start as its imports

ROOT = Path(__file__).resolve().parents[2]
BATCH = 5  # requests


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


@pytest.fixture
def engine(notes: Path) -> Iterator[RayEngine]:
    """Two workers that take 0.05 s per answer."""
    ray_engine = RayEngine(
        RayBackend(workers=2, batch_rows=BATCH),
        partial(PausingEngine, 0.05, notes, 2),
        "fake",
        2048,
    )
    yield ray_engine
    ray_engine.close()


def noted(notes: Path) -> dict[int, list[str]]:
    """Request keys by process id."""
    return {int(path.name): path.read_text().split() for path in notes.iterdir()}


def kill_one(notes: Path, killed: list[int], done: threading.Event) -> None:
    """Kills a worker within a batch, after 40 answers."""
    while not killed and not done.wait(0.01):
        answered = noted(notes)
        amid = [number for number, keys in answered.items() if len(keys) % BATCH == 2]
        if amid and sum(map(len, answered.values())) >= 40:
            killed.append(amid[0])
            os.kill(amid[0], signal.SIGKILL)


def test_a_killed_worker_loses_and_doubles_nothing(
    tmp_path: Path, notes: Path, engine: RayEngine
) -> None:
    """300 answers by two workers, one killed: each arrives once.

    Only what the dead one had not handed over was answered again.
    """
    killed: list[int] = []
    ended = threading.Event()
    killer = threading.Thread(target=kill_one, args=(notes, killed, ended))
    killer.start()
    path = tmp_path / "answers.jsonl"
    try:
        done = run_job(engine, fake_tasks(300), path, {})
    finally:
        ended.set()
        killer.join()
    assert done.requested == 300 and len(killed) == 1
    answers = read_answers(path)
    tasks = fake_tasks(300)
    assert [answer.key for answer in answers] == [task.request.key for task in tasks]
    assert [answer.text for answer in answers] == [f"answer to {n}" for n in range(300)]
    counts = Counter(key for keys in noted(notes).values() for key in keys)
    twice = sum(counts.values()) - 300
    assert len(counts) == 300
    assert 1 <= twice <= len(noted(notes)[killed[0]]), "the kill came in the middle of its work"


def test_an_engine_that_fails_is_one_line(notes: Path) -> None:
    """The error of the worker's engine, without Ray's traceback; no other cluster starts.

    A thread that was still to fetch rows had one started, whose end ended this process a minute
    later.
    """
    engine = RayEngine(
        RayBackend(workers=1, batch_rows=BATCH), partial(FailingEngine, 0.0, notes), "fake", 2048
    )
    try:
        requests = [task.request for task in fake_tasks(3)]
        with pytest.raises(SetupError, match=r"teacher.engine ray: .*no such model here") as raised:
            list(engine.run(requests))
        assert "\n" not in str(raised.value)
    finally:
        engine.close()
    import ray

    with pytest.raises(ray.exceptions.RaySystemError, match=r"ray\.init"):
        ray.put(1)


def test_no_cluster_is_one_line(notes: Path) -> None:
    workers = RayBackend(workers=1, batch_rows=BATCH, address="127.0.0.1:9")
    engine = RayEngine(workers, partial(PausingEngine, 0.0, notes), "fake", 2048)
    with pytest.raises(SetupError, match=r"teacher.engine ray: 127.0.0.1:9"):
        list(engine.run([fake_tasks(1)[0].request]))
    engine.close()


@pytest.mark.slow
def test_vllm_in_two_workers() -> None:
    """The embedded model in two processes, built from the settings: each request once."""
    settings = "teacher.engine={kind: ray, workers: 2, batch_rows: 2}"
    config = load_config(ROOT / "config/demo.yaml", [settings])
    engine = teacher_engine(config, ROOT)
    requests = [request(f"What is {n} and {n}?") for n in range(6)]
    try:
        completions = {completion.key: completion for completion in engine.run(requests)}
    finally:
        engine.close()
    assert completions.keys() == {completion.key for completion in requests}
    for completion in completions.values():
        text = renderer().tokenizer.decode(completion.token_ids, skip_special_tokens=True)
        assert str(text).strip() == completion.text.strip() != ""
