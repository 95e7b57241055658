"""The resumable batch: every task answered once, whatever kills the process in between.

Answers go to an append-only store keyed by the request's hash as they finish; a rerun asks only
what is missing. Where a task wants the most likely tokens, they are written to a file beside the
answers, before the answer itself. Prompts that do not fit are recorded before the engine sees them,
because a backend may refuse the whole batch for one of them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from data.answers import Answer, Finish, topk_path
from data.meaning import Meaning, settle_meaning
from data.store import Store
from data.topk import TopKStore
from engine.protocol import Completion, Engine, Request

Place = tuple[str, str, int]  # request key, row id, sample


@dataclass(frozen=True)
class Task:
    """One answer to get: whose it is, and the request for it."""

    arm: str
    row: str
    sample: int
    request: Request
    order: tuple[int, ...] | None = None  # of the worked examples, when shuffled
    dropped: int = 0  # passages of the row that did not fit

    @property
    def place(self) -> Place:
        """What tells this task's answer from any other."""
        return self.request.key, self.row, self.sample


@dataclass(frozen=True)
class Outcome:
    """What a job did, in answers."""

    asked: int  # by the engine, in this run
    reused: int  # found in the store
    too_long: int  # prompts that do not fit
    cut: int  # answers that reached the token limit


class Job:
    """One store of answers under way: asks what is missing, round after round.

    Used as a context; ending it well leaves the file in the order of the tasks, ending it by an
    error leaves every answer that came.
    """

    def __init__(
        self, engine: Engine, path: Path, meaning: Meaning, accept_changes: bool = False
    ) -> None:
        """`meaning` names the settings behind the tasks; a change is refused with a diff
        (DataError) unless accepted, and then only requests that it changes are asked again.
        """
        self._engine = engine
        self._store = Store(path, Answer)
        try:
            stored = {answer.key for answer in self._store.records}
            self._topk = TopKStore(topk_path(path), stored)
            settle_meaning(path.with_suffix(".meaning.json"), meaning, accept_changes)
        except BaseException:
            self._store.close()
            raise
        self._found = {_place_of(answer): answer for answer in self._store.records}
        self._tasks: list[Task] = []
        self._asked = self._reused = 0

    def answers(self, tasks: Sequence[Task]) -> list[Answer]:
        """The tasks' answers, in their order: stored ones, and the engine's for the rest."""
        self._forget_bare(tasks)
        open_tasks = [task for task in tasks if task.place not in self._found]
        self._tasks += tasks
        self._reused += len(tasks) - len(open_tasks)
        self._asked += self._ask(open_tasks, len(tasks))
        return [self._found[task.place] for task in tasks]

    @property
    def outcome(self) -> Outcome:
        """What was done so far."""
        finishes = [self._found[task.place].finish for task in self._tasks]
        return Outcome(
            self._asked, self._reused, finishes.count("too_long"), finishes.count("length")
        )

    def __enter__(self) -> "Job":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            answers = [self._found[task.place] for task in self._tasks] if error is None else None
            # finished out of order, or the store holds answers of other requests
            if answers is not None and answers != self._store.records:
                self._store.replace(answers)
            if answers is not None:
                self._topk.finish({answer.key for answer in answers})
        finally:
            self._store.__exit__(kind, error, trace)

    def _forget_bare(self, tasks: Sequence[Task]) -> None:
        """Forgets answers whose most likely tokens are wanted and lost, so that they come anew."""
        wanted = {task.request.key for task in tasks if task.request.sampling.logprobs}
        bare = {key for key in wanted if key not in self._topk}
        kept = [a for a in self._found.values() if a.key not in bare or a.finish == "too_long"]
        if len(kept) < len(self._found):
            self._found = {_place_of(answer): answer for answer in kept}
            self._store.replace(kept)  # or a kill might pair an old answer with the new one's

    def _ask(self, tasks: Sequence[Task], total: int) -> int:
        """Asks for `tasks`; returns how many requests the engine saw."""
        waiting: dict[str, list[Task]] = defaultdict(list)
        known = {answer.key: answer for answer in self._found.values()}
        for task in tasks:
            request = task.request
            if request.length > self._engine.max_length:
                self._record(_as_answer(task, None))
            elif request.key in known:  # the same request for another row
                self._record(_copied(known[request.key], task))
            else:
                waiting[request.key].append(task)
        requests = [group[0].request for group in waiting.values()]
        done = total - sum(map(len, waiting.values()))
        label = tasks[0].arm if tasks else ""
        bar = tqdm(total=total, initial=done, desc=label, unit=" answers", disable=not requests)
        with bar:
            for completion in self._engine.run(requests):
                if completion.topk is not None:
                    self._topk.append(completion.key, completion.topk)
                for task in waiting[completion.key]:
                    self._record(_as_answer(task, completion))
                    bar.update()
        return len(requests)

    def _record(self, answer: Answer) -> None:
        self._store.append(answer)
        self._found[_place_of(answer)] = answer


def run_job(
    engine: Engine,
    tasks: Sequence[Task],
    path: Path,
    meaning: Meaning,
    accept_changes: bool = False,
) -> Outcome:
    """Answers every task into the store at `path`, in one round. Raises as `Job` does."""
    with Job(engine, path, meaning, accept_changes) as job:
        job.answers(tasks)
        return job.outcome


def _place_of(answer: Answer) -> Place:
    return answer.key, answer.row, answer.sample


def _copied(answer: Answer, task: Task) -> Answer:
    own = {"arm": task.arm, "row": task.row, "sample": task.sample}
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
