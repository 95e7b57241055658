"""The job's file of top logprobs: every stored answer has its own.

The engine draws every answer anew, so that tokens paired with another draw's would be seen.
"""

import io
import os
import random
import resource
import signal
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from config.errors import DataError
from config.generation import SamplingSettings
from data.answers import Answer, read_answers, top_logprobs_path
from data.top_logprobs import TopLogprobsStore, read_top_logprobs
from engine.base import make_request
from engine.batch_job import JobSummary, Task, run_job
from tests.engine.fake_engine import ResamplingEngine, fake_tasks, fake_top_logprobs

SAMPLING = SamplingSettings(max_tokens=8, logprobs=20)
ROWS = 2000


def job(folder: Path, seed: int, tasks: list[Task], dies_after: int | None = None) -> JobSummary:
    """Runs the tasks once; writes the cost to `paid`."""
    engine = ResamplingEngine(seed, folder / "paid", dies_after)
    return run_job(engine, tasks, folder / "a.jsonl", {}, accept_changes=True)


def paired(folder: Path) -> list[Answer]:
    """The answers, after a check that each has the top logprobs of its own sample."""
    answers = read_answers(folder / "a.jsonl")
    records = read_top_logprobs(top_logprobs_path(folder / "a.jsonl"))
    assert {answer.key for answer in answers if answer.finish != "too_long"} == set(records)
    for answer in answers:
        if answer.finish != "too_long":
            assert tuple(records[answer.key].ids[:, 0]) == answer.token_ids
            assert records[answer.key].logprobs.shape == (3, 20)
    return answers


def torn(path: Path, rng: random.Random, lost: int) -> None:
    """Removes up to `lost` bytes from the end of a file."""
    size = path.stat().st_size
    os.truncate(path, max(0, size - rng.randrange(1, lost)))


def test_forty_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    """40 SIGKILLs over 2,000 rows, three in four tear a tail: 0 lost, 0 doubled, cost ≤ 1.05 ×.

    A torn answer with its tokens whole is a kill between the two writes; torn tokens of a stored
    answer are a power cut.
    """
    path, rng, tasks = tmp_path / "a.jsonl", random.Random(0), fake_tasks(ROWS, SAMPLING)
    for kill in range(40):
        dies_after = rng.randrange(5, 60)
        child = os.fork()
        if child == 0:
            job(tmp_path, kill, tasks, dies_after)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        if kill % 4 == 1:
            record = top_logprobs_path(path).read_bytes()[-700:]
            with top_logprobs_path(path).open("ab") as file:
                file.write(record[: rng.randrange(1, 600)])
        if kill % 4 == 2:
            torn(path, rng, 150)
        if kill % 4 == 3:
            torn(top_logprobs_path(path), rng, 1500)
    done = job(tmp_path, 99, tasks)
    assert done.reused > 1000, "the kills left their answers"
    assert [answer.row for answer in paired(tmp_path)] == [task.row for task in tasks]
    assert pa.ipc.open_stream(top_logprobs_path(path)).read_all().num_rows == ROWS
    assert (tmp_path / "paid").stat().st_size <= 1.05 * ROWS


def test_a_full_disk_leaves_no_answer_without_its_tokens(tmp_path: Path) -> None:
    """Five sizes: top logprobs fill the disk first, and their answer is not stored."""
    for size in (100, 1000, 5000, 20_000, 60_000):
        folder = tmp_path / str(size)
        folder.mkdir()
        child = os.fork()
        if child == 0:
            # what is captured of a test goes to a file too, and the limit would stop its bar
            sys.stderr = io.StringIO()
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            ended = 1
            try:
                job(folder, 0, fake_tasks(300, SAMPLING))
            except DataError as error:
                ended = 2 if f"{folder}/a.arrow: cannot write" in str(error) else 1
            finally:
                os._exit(ended)  # the child is no second pytest, whatever was raised
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
        left = len(paired(folder))
        assert (left > 0) == (size > 1000)
        assert job(folder, 1, fake_tasks(300, SAMPLING)).reused == left
        assert len(paired(folder)) == 300


def test_a_rerun_asks_nothing_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """For any order of arrival."""
    first = job(tmp_path, 0, fake_tasks(300, SAMPLING))
    before = top_logprobs_path(tmp_path / "a.jsonl").read_bytes()
    second = job(tmp_path, 1, fake_tasks(300, SAMPLING))
    assert (first.requested, second.requested, second.reused) == (300, 0, 300)
    assert top_logprobs_path(tmp_path / "a.jsonl").read_bytes() == before
    assert len(paired(tmp_path)) == 300


def test_answers_whose_tokens_are_gone_are_asked_again(tmp_path: Path) -> None:
    """Without the file all 300 answers are generated again, with half of it the missing ones."""
    path = top_logprobs_path(tmp_path / "a.jsonl")
    job(tmp_path, 0, fake_tasks(300, SAMPLING))
    path.unlink()
    assert job(tmp_path, 1, fake_tasks(300, SAMPLING)).requested == 300
    keys = [answer.key for answer in paired(tmp_path)]
    TopLogprobsStore(path, keys[:120])  # drops the others
    done = job(tmp_path, 2, fake_tasks(300, SAMPLING))
    assert (done.requested, done.reused) == (180, 120)
    assert [answer.key for answer in paired(tmp_path)] == keys


@pytest.mark.parametrize("part", [0.0, 0.3, 0.999])  # of the header, in the middle, of the end
def test_a_damaged_record_costs_one_answer(tmp_path: Path, part: float) -> None:
    """A flipped byte in the tokens of 300 answers: at most one is requested again."""
    path = top_logprobs_path(tmp_path / "a.jsonl")
    job(tmp_path, 0, fake_tasks(300, SAMPLING))
    whole = path.read_bytes()
    at = round(part * len(whole))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
    done = job(tmp_path, 1, fake_tasks(300, SAMPLING))
    lost = int(part > 0)
    assert (done.requested, done.reused) == (lost, 300 - lost)
    assert len(paired(tmp_path)) == 300


def test_without_likely_tokens_no_file(tmp_path: Path) -> None:
    """logprobs: null, and 0 (the sampled token only); an obsolete file is removed."""
    for logprobs in (None, 0):
        job(tmp_path, 0, fake_tasks(30, SamplingSettings(max_tokens=8, logprobs=logprobs)))
        assert not top_logprobs_path(tmp_path / "a.jsonl").exists()
    job(tmp_path, 0, fake_tasks(30, SAMPLING))
    assert len(paired(tmp_path)) == 30
    job(tmp_path, 0, fake_tasks(30, SamplingSettings(max_tokens=8)))
    assert not top_logprobs_path(tmp_path / "a.jsonl").exists()


def test_rows_with_one_request_share_its_tokens(tmp_path: Path) -> None:
    """One record per request; a prompt that does not fit has none and is not tried again."""
    request = make_request("fake", (1, 2), SAMPLING, 0)
    long = make_request("fake", tuple(range(5000)), SAMPLING, 0)
    tasks = [Task("base", row, 0, request) for row in ("a", "b")] + [Task("base", "c", 0, long)]
    for reused in (0, 3):
        done = job(tmp_path, reused, tasks)
        assert (done.reused, done.too_long) == (reused, 1)
        assert [answer.row for answer in paired(tmp_path)] == ["a", "b", "c"]
    assert len(read_top_logprobs(top_logprobs_path(tmp_path / "a.jsonl"))) == 1


def test_a_kill_cannot_pair_an_old_answer_with_new_tokens(tmp_path: Path) -> None:
    """Top logprobs lost, a kill between the two writes: the answer is requested once more."""
    path = tmp_path / "a.jsonl"
    job(tmp_path, 0, fake_tasks(3, SAMPLING))
    top_logprobs_path(path).unlink()
    child = os.fork()
    if child == 0:
        job(tmp_path, 1, fake_tasks(3, SAMPLING), dies_after=0)
        os._exit(0)
    os.waitpid(child, 0)
    store = TopLogprobsStore(top_logprobs_path(path), [])  # what the child would have written next
    store.append(fake_tasks(3, SAMPLING)[0].request.key, fake_top_logprobs((7, 8, 9), 20))
    assert job(tmp_path, 2, fake_tasks(3, SAMPLING)).requested == 3
    assert len(paired(tmp_path)) == 3
