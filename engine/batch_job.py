"""The resumable batch: every task answered once, whatever kills the process in between.

Answers go to an append-only file as they finish; a rerun asks only what is missing, by the
request's hash. Tasks are taken as the engine wants them and answers are let go of once written, so
that a batch may be of any size. Where a task wants the most likely tokens, they are written to a
file beside the answers, before the answer itself. Prompts that do not fit are recorded before the
engine sees them, because a backend may refuse the whole batch for one of them.
"""

from array import array
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from types import TracebackType

from config.errors import DataError
from config.progress import ProgressBar
from data.answers import Answer, Finish, top_logprobs_path
from data.fingerprint import Fingerprint, check_fingerprint, fingerprint_path
from data.top_logprobs import TopLogprobsStore
from engine.answer_store import AnswerStore
from engine.base import Completion, Engine, Request

_OPEN = -1  # the number of an answer that has not come yet
_NAMED = 5  # rows in the line about unanswered ones
_COUNTED = 1000  # unanswered requests that are looked for behind those that the engine took


@dataclass(frozen=True)
class Task:
    """One answer to get: whose it is, and the request for it."""

    arm: str
    row: str
    sample: int
    request: Request
    order: tuple[int, ...] | None = None  # of the worked examples, when shuffled
    dropped: int = 0  # passages of the row that did not fit


@dataclass(frozen=True)
class JobSummary:
    """What a job did, in answers."""

    answers: int  # of all tasks
    asked: int  # by the engine, in this run
    reused: int  # found in the store
    too_long: int  # prompts that do not fit
    cut: int  # answers that reached the token limit


class UnansweredRows(DataError):
    """The engine is done and has left requests without an answer."""

    def __init__(self, path: Path, rows: list[str], more: bool) -> None:
        """`rows`: their ids; `more`: there may be others."""
        named = ", ".join(rows[:_NAMED]) + (", …" if len(rows) > _NAMED else "")
        count = f"{len(rows)} rows{' or more' if more else ''}"
        super().__init__(f"{path}: {count} without an answer: {named}; run again to ask them")
        self.path = path
        self.rows = rows


class BatchJob:
    """One file of answers under way: asks what is missing, round after round.

    Used as a context; ending it well leaves the file in the order of the tasks, ending it by an
    error leaves every answer that came.
    """

    def __init__(
        self, engine: Engine, path: Path, meaning: Fingerprint, accept_changes: bool = False
    ) -> None:
        """`meaning` names the settings behind the tasks; a change is refused with a diff
        (DataError) unless accepted, and then only requests that it changes are asked again.
        """
        self._engine = engine
        self._path = path
        self._stored = AnswerStore(path)
        try:
            self._topk = TopLogprobsStore(top_logprobs_path(path), self._stored)
            check_fingerprint(fingerprint_path(path), meaning, accept_changes)
        except BaseException:
            self._stored.close()
            raise
        self._order = array("q")  # place among the tasks → number of its answer
        self._flying: dict[str, list[tuple[int, Task]]] = {}  # request → its tasks, their places
        self._asked = self._reused = 0
        self._bare_dropped = False
        self._lock = Lock()  # an engine may take requests in a thread of its own
        self._bar: ProgressBar | None = None

    def ask(self, tasks: Iterable[Task]) -> None:
        """Gets the tasks their answers: stored ones, and the engine's for the rest.

        Raises Unanswered when the engine leaves some out.
        """
        requests = self._requests(tasks, len(tasks) if isinstance(tasks, Sized) else None)
        try:
            for completion in self._engine.run(requests):
                with self._lock:
                    self._take(completion)
            for _ in islice(requests, _COUNTED):  # that the engine has not even taken
                pass
        finally:
            if self._bar is not None:
                self._bar.close()
                self._bar = None
        if self._flying:
            rows = (task.row for group in self._flying.values() for _, task in group)
            left = UnansweredRows(
                self._path, list(dict.fromkeys(rows)), len(self._flying) >= _COUNTED
            )
            self._flying.clear()
            raise left

    def answers(self, tasks: Iterable[Task]) -> list[Answer]:
        """As `ask`, and returns the answers in the order of the tasks."""
        begin = len(self._order)
        self.ask(tasks)
        return [self._stored.read(number) for number in self._order[begin:]]

    @property
    def outcome(self) -> JobSummary:
        """What was done so far."""
        ended = [self._stored.finish(number) for number in self._order if number != _OPEN]
        long, cut = ended.count("too_long"), ended.count("length")
        return JobSummary(len(ended), self._asked, self._reused, long, cut)

    def __enter__(self) -> "BatchJob":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None and _OPEN not in self._order:
                # finished out of order, or the store holds answers of other requests
                self._stored.arrange(self._order)
                self._topk.finish(self._stored)
        finally:
            self._stored.end(kind, error, trace)

    def _requests(self, tasks: Iterable[Task], total: int | None) -> Iterator[Request]:
        """What is to be asked, while the engine takes it."""
        begin = len(self._order)
        for task in tasks:
            with self._lock:
                number = self._number(task)
                flying = self._flying.setdefault(task.request.key, []) if number is None else None
                if flying is not None:
                    flying.append((len(self._order), task))
                self._order.append(_OPEN if number is None else number)
            if flying is not None and len(flying) == 1:
                self._asked += 1
                if self._bar is None:  # none where nothing is to be asked
                    done = len(self._order) - begin - 1
                    self._bar = ProgressBar(task.arm, " answers", total, initial=done)
                yield task.request
            elif number is not None and self._bar is not None:
                self._bar.update()

    def _number(self, task: Task) -> int | None:
        """The number of a task's answer; None: it has to be asked for."""
        key = task.request.key
        if task.request.sampling.logprobs and not self._bare_dropped:
            self._drop_bare()
        number = self._stored.find(key, task.row, task.sample)
        if number is not None:
            self._reused += 1
            return number
        if task.request.length > self._engine.max_length:
            return self._stored.append(_as_answer(task, None))
        same = self._stored.first(key)  # of the same request for another row
        if same is None:
            return None
        return self._stored.append(_copied(self._stored.read(same), task))

    def _take(self, completion: Completion) -> None:
        if completion.top_logprobs is not None:
            self._topk.append(completion.key, completion.top_logprobs)
        for place, task in self._flying.pop(completion.key):
            self._order[place] = self._stored.append(_as_answer(task, completion))
            if self._bar is not None:
                self._bar.update()

    def _drop_bare(self) -> None:
        """Drops answers whose most likely tokens are lost, now that they are wanted.

        They come anew; if they stayed, a kill might pair an old answer with the new one's tokens.
        Those that a task has been given already stay.
        """
        self._bare_dropped = True
        if self._stored.drawn() == len(self._topk):
            return
        given = set(self._order)
        self._stored.drop(
            lambda number, answer: (
                answer.key not in self._topk and answer.finish != "too_long" and number not in given
            )
        )


def run_job(
    engine: Engine,
    tasks: Iterable[Task],
    path: Path,
    meaning: Fingerprint,
    accept_changes: bool = False,
) -> JobSummary:
    """Answers every task into the store at `path`, in one round. Raises as `BatchJob` does."""
    with BatchJob(engine, path, meaning, accept_changes) as job:
        job.ask(tasks)
        return job.outcome


def _copied(answer: Answer, task: Task) -> Answer:
    own = {"arm": task.arm, "row": task.row, "sample": task.sample, "seed": task.request.seed}
    return answer.model_copy(update={**own, "order": task.order, "dropped": task.dropped})


def _as_answer(task: Task, completion: Completion | None) -> Answer:
    finish: Finish = completion.finish if completion else "too_long"
    return Answer(
        key=task.request.key,
        arm=task.arm,
        row=task.row,
        sample=task.sample,
        text=completion.text.strip() if completion else "",
        token_ids=completion.token_ids if completion else (),
        finish=finish,
        seed=task.request.seed,
        prompt_tokens=len(task.request.prompt_ids),
        logprobs=completion.logprobs if completion else None,
        dropped=task.dropped,
        order=task.order,
    )
