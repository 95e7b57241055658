"""Batches of any size: memory, requests ahead of the answers, engines with threads, a full disk."""

import io
import os
import resource
import sys
import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

import pytest

from benchmarks.generation.bookkeeping import measure_in_subprocess
from config.errors import DataError
from config.generation import SamplingSettings
from data.answers import read_answers
from data.fingerprint import fingerprint_path
from engine.base import Completion, Request, make_request
from engine.batch_job import Task, UnansweredRows, run_job
from tests.engine.fake_engine import IN_FLIGHT, FakeEngine, fake_tasks


@pytest.mark.slow
def test_memory_does_not_grow_with_the_answers() -> None:
    """Limit: 300 MB per million rows, so 30 MB for 100,000 whose answers take 100 MB on disk.

    The rate is 5,000 rows a second on a machine that does nothing else; a tenth proves that it is
    not quadratic.
    """
    peak = measure_in_subprocess(100_000)
    assert peak.mb <= 30
    assert min(peak.rows_per_s, peak.rerun_rows_per_s) >= 500


def test_tasks_are_taken_as_the_engine_wants_them(tmp_path: Path) -> None:
    """Never more than 64 tasks ahead of the answers: the prompts would fill the memory."""
    ahead, most = 0, 0

    def counted() -> Iterator[Task]:
        nonlocal ahead, most
        for task in fake_tasks(1000):
            ahead += 1
            most = max(most, ahead)
            yield task

    class Counting(FakeEngine):
        def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
            nonlocal ahead
            for completion in super().run(requests):
                ahead -= 1
                yield completion

    done = run_job(Counting(0, tmp_path / "paid"), counted(), tmp_path / "a.jsonl", {})
    assert done.requested == 1000 and most <= IN_FLIGHT
    assert [answer.row for answer in read_answers(tmp_path / "a.jsonl")] == [
        task.row for task in fake_tasks(1000)
    ]


class ThreadedEngine(FakeEngine):
    """Takes requests in its own thread, like a client of a server."""

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields in another thread than the one that takes requests."""
        taken: SimpleQueue[Request | None] = SimpleQueue()

        def take() -> None:
            for request in requests:
                taken.put(request)
            taken.put(None)

        thread = threading.Thread(target=take)
        thread.start()
        while (request := taken.get()) is not None:
            yield self._completion(request)
        thread.join()


def test_an_engine_may_take_requests_in_a_thread(tmp_path: Path) -> None:
    """Copies, too long prompts and answers are then written from two threads."""
    tasks = fake_tasks(3000)
    long = make_request("fake", tuple(range(5000)), SamplingSettings(max_tokens=8), 0)
    for at in range(0, 3000, 3):
        tasks[at] = Task("base", f"long-{at}", 0, long)
        tasks[at + 1] = Task("base", f"same-{at}", 0, tasks[2].request)
    done = run_job(ThreadedEngine(0, tmp_path / "paid"), tasks, tmp_path / "a.jsonl", {})
    assert (done.requested, done.too_long) == (1000, 1000)
    answers = read_answers(tmp_path / "a.jsonl")
    assert [answer.row for answer in answers] == [task.row for task in tasks]


@pytest.mark.parametrize("taken", [0, 50, 300])
def test_what_an_engine_leaves_out_is_named(tmp_path: Path, taken: int) -> None:
    """Whether it took the requests or not; the answers it gave are kept."""

    class Leaving(FakeEngine):
        def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
            for at, request in enumerate(islice(requests, taken)):
                if at % 2:
                    yield self._completion(request)

    path = tmp_path / "a.jsonl"
    with pytest.raises(
        UnansweredRows, match=r"rows without an answer: row-00000, .*run again"
    ) as left:
        run_job(Leaving(0, tmp_path / "paid"), fake_tasks(300), path, {})
    assert len(left.value.rows) == 300 - taken // 2 == 300 - len(read_answers(path))
    assert run_job(FakeEngine(0, tmp_path / "paid"), fake_tasks(300), path, {}).reused == taken // 2


def test_a_full_disk_costs_what_came_last(tmp_path: Path) -> None:
    """Ten sizes: one line with path and bytes; complete answers are kept; a rerun gets the rest."""
    whole = tmp_path / "whole.jsonl"
    run_job(FakeEngine(0, tmp_path / "paid"), fake_tasks(200), whole, {})
    total = whole.stat().st_size
    sizes = [1, 50, 4095, 4096, 4097, total // 3, total // 2, total - 200, total - 2, total - 1]
    for size in sizes:
        path = tmp_path / f"{size}.jsonl"
        child = os.fork()
        if child == 0:
            # what is captured of a test goes to a file too, and the limit would stop its bar
            sys.stderr = io.StringIO()
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            ended = 1
            try:
                run_job(FakeEngine(0, Path("/dev/null")), fake_tasks(200), path, {})
            except DataError as error:
                # one byte is too little for the file of the settings, which comes first
                full = fingerprint_path(path) if size == 1 else path
                ended = 2 if f"{full.name}: cannot write" in str(error) else 1
            finally:
                os._exit(ended)  # the child is no second pytest, whatever was raised
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
        left = len(read_answers(path))
        assert abs(left - 200 * size / total) <= 2
        done = run_job(FakeEngine(1, tmp_path / "paid"), fake_tasks(200), path, {})
        assert (done.reused, done.requested) == (left, 200 - left)
        assert path.read_bytes() == whole.read_bytes()
