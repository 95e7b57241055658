"""The resumable batch: every task is answered once, even if the process is killed in between.

Answers are appended to a file as they finish; a rerun requests only the missing ones, by the hash
of the request. Tasks are consumed as the engine takes them and answers are not held, so a batch
may have any size. Top logprobs are written to a file beside the answers, before the answer itself.
Prompts that do not fit are recorded without reaching the engine, because a backend may refuse a
whole batch for one of them.
"""

from array import array
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

from config.errors import DataError
from config.progress import ProgressBar
from data.answers import Answer, How, top_logprobs_path
from data.fingerprint import Fingerprint, check_fingerprint, fingerprint_path
from data.top_logprobs import TopLogprobsStore
from engine.answer_store import AnswerStore
from engine.base import Completion, Engine, Request
from engine.prefill import Prefill

_PENDING = -1  # number of an answer that has not arrived
_SHOWN_ROWS = 5  # in the error about unanswered rows
_MAX_COUNTED = 1000  # requests that are counted after those that the engine took


@dataclass(frozen=True)
class Task:
    """One answer to get: the row and sample that it is for, and the request."""

    arm: str
    row: str
    sample: int
    request: Request
    order: tuple[int, ...] | None = None  # of the worked examples, if shuffled
    dropped: int = 0  # passages of the row that did not fit
    how: How = "sampled"
    prefill: Prefill | None = None  # the parts of the answer that the request gives
    answer: Completion | None = None  # known before: the engine is not asked


@dataclass(frozen=True)
class JobSummary:
    """Counts of answers."""

    answers: int  # of all tasks
    requested: int  # from the engine, in this run
    reused: int  # from the store
    too_long: int  # prompts that do not fit
    truncated: int  # by the token limit
    reasoning_cut: int  # without the reasoning that stood in front of them


class UnansweredRows(DataError):
    """The engine has finished without answering all requests."""

    def __init__(self, path: Path, rows: list[str], more: bool) -> None:
        """`rows`: their ids; `more`: there may be others."""
        shown = ", ".join(rows[:_SHOWN_ROWS]) + (", …" if len(rows) > _SHOWN_ROWS else "")
        count = f"{len(rows)} rows{' or more' if more else ''}"
        super().__init__(f"{path}: {count} without an answer: {shown}; run again to request them")
        self.path = path
        self.rows = rows


class BatchJob:
    """One file of answers in progress: requests what is missing, round after round.

    A context manager. On success the file is left in the order of the tasks; on an error it keeps
    every answer that arrived.
    """

    def __init__(
        self, engine: Engine, path: Path, fingerprint: Fingerprint, accept_changes: bool = False
    ) -> None:
        """`fingerprint`: the settings behind the tasks. A change raises DataError with a diff,
        unless accepted; then only requests whose key it changes are made again.
        """
        self._engine = engine
        self._path = path
        self._store = AnswerStore(path)
        try:
            self._top_logprobs = TopLogprobsStore(top_logprobs_path(path), self._store)
            check_fingerprint(fingerprint_path(path), fingerprint, accept_changes)
        except BaseException:
            self._store.close()
            raise
        self._order = array("q")  # index of a task → number of its answer
        self._in_flight: dict[str, list[tuple[int, Task]]] = {}  # request → indices and tasks
        self._requested = self._reused = 0
        self._lock = Lock()  # an engine may take requests in its own thread
        self._bar: ProgressBar | None = None

    def run(self, tasks: Iterable[Task]) -> None:
        """Answers the tasks from the store, or else by the engine.

        Raises UnansweredRows when the engine leaves some out.
        """
        requests = self._requests(tasks, len(tasks) if isinstance(tasks, Sized) else None)
        try:
            for completion in self._engine.run(requests):
                with self._lock:
                    self._store_completion(completion)
            for _ in islice(requests, _MAX_COUNTED):  # requests that the engine did not take
                pass
        except BaseException:
            self._in_flight.clear()  # nobody waits for these answers; later tasks may follow
            raise
        finally:
            if self._bar is not None:
                self._bar.close()
                self._bar = None
        if self._in_flight:
            tasks_left = (task for group in self._in_flight.values() for _, task in group)
            rows = list(dict.fromkeys(task.row for task in tasks_left))
            more = len(self._in_flight) >= _MAX_COUNTED
            self._in_flight.clear()
            raise UnansweredRows(self._path, rows, more)

    def answers(self, tasks: Iterable[Task]) -> list[Answer]:
        """Runs the tasks and returns the answers in their order."""
        first = len(self._order)
        self.run(tasks)
        return [self._store.read(number) for number in self._order[first:]]

    @property
    def summary(self) -> JobSummary:
        """Counts of the answers so far."""
        numbers = [number for number in self._order if number != _PENDING]
        finishes = [self._store.finish(number) for number in numbers]
        return JobSummary(
            answers=len(finishes),
            requested=self._requested,
            reused=self._reused,
            too_long=finishes.count("too_long"),
            truncated=finishes.count("length"),
            reasoning_cut=sum(map(self._store.reasoning_cut, numbers)),
        )

    def __enter__(self) -> "BatchJob":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None and _PENDING not in self._order:
                # answers finish in any order, and the store may hold those of other requests
                self._store.rearrange(self._order)
                self._top_logprobs.finish(self._store)
        finally:
            self._store.__exit__(kind, error, trace)

    def _requests(self, tasks: Iterable[Task], total: int | None) -> Iterator[Request]:
        """The missing requests, generated while the engine takes them."""
        first = len(self._order)
        for task in tasks:
            with self._lock:
                number = self._find_answer(task)
                is_new = number is None and task.request.key not in self._in_flight
                if number is None:
                    waiting = self._in_flight.setdefault(task.request.key, [])
                    waiting.append((len(self._order), task))
                self._order.append(_PENDING if number is None else number)
            if is_new:
                self._requested += 1
                if self._bar is None:  # no bar unless something is requested
                    done = len(self._order) - first - 1
                    self._bar = ProgressBar(task.arm, " answers", total, initial=done)
                yield task.request
            elif number is not None and self._bar is not None:
                self._bar.update()

    def _find_answer(self, task: Task) -> int | None:
        """The number of a task's answer; None: it must be requested."""
        key = task.request.key
        if task.request.sampling.logprobs and not self._order:
            self._drop_bare_answers()
        number = self._store.find(key, task.row, task.sample)
        if number is not None:
            self._reused += 1
            return number
        if task.answer is not None:
            return self._store.append(_answer(task, task.answer))
        if task.request.length > self._engine.max_length:
            return self._store.append(Answer(**_task_fields(task), text="", finish="too_long"))
        same_request = self._store.find_any(key)  # of another row
        if same_request is None:
            return None
        return self._store.append(
            self._store.read(same_request).model_copy(update=_task_fields(task))
        )

    def _store_completion(self, completion: Completion) -> None:
        if completion.top_logprobs is not None:
            self._top_logprobs.append(completion.key, completion.top_logprobs)
        for index, task in self._in_flight.pop(completion.key):
            self._order[index] = self._store.append(_answer(task, completion))
            if self._bar is not None:
                self._bar.update()

    def _drop_bare_answers(self) -> None:
        """Deletes stored answers without top logprobs once they are requested.

        Answer and top logprobs are generated again together: otherwise a crash could pair an old
        answer with the tokens of a new one.
        """
        self._store.drop(
            lambda answer: (
                answer.finish != "too_long"
                and not answer.dictated
                and answer.key not in self._top_logprobs
            )
        )


def run_job(
    engine: Engine,
    tasks: Iterable[Task],
    path: Path,
    fingerprint: Fingerprint,
    accept_changes: bool = False,
) -> JobSummary:
    """Answers all tasks into the file at `path`, in one round. Raises as `BatchJob` does."""
    with BatchJob(engine, path, fingerprint, accept_changes) as job:
        job.run(tasks)
        return job.summary


def _answer(task: Task, completion: Completion) -> Answer:
    whole = task.prefill.joined(completion) if task.prefill else completion
    return Answer(
        **_task_fields(task),
        text=whole.text.strip(),
        token_ids=whole.token_ids,
        finish=whole.finish,
        logprobs=whole.logprobs,
        reasoning_cut=whole.reasoning_cut,
    )


def _task_fields(task: Task) -> dict[str, Any]:
    beginning = task.prefill.beginning_ids if task.prefill else ()
    return {
        "arm": task.arm,
        "row": task.row,
        "sample": task.sample,
        "seed": task.request.seed,
        "dropped": task.dropped,
        "order": task.order,
        "key": task.request.key,
        "prompt_tokens": len(task.request.prompt_ids) - len(beginning),
        "how": task.how,
    }
