"""The resumable batch: every task answered once, whatever kills the process in between.

Answers go to an append-only store keyed by the request's hash as they finish; a rerun asks only
what is missing. Prompts that do not fit are recorded before the engine sees them, because a
backend may refuse the whole batch for one of them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from data.answers import Answer, Finish
from data.meaning import Meaning, settle_meaning
from data.store import Store, write_records
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


def run_job(
    engine: Engine,
    tasks: Sequence[Task],
    path: Path,
    meaning: Meaning,
    accept_changes: bool = False,
) -> Outcome:
    """Answers every task into the store at `path` and leaves it in the order of the tasks.

    `meaning` names the settings behind the tasks; a change is refused with a diff (DataError)
    unless accepted, and then only requests that it changes are asked again.
    """
    with Store(path, Answer) as store:
        settle_meaning(path.with_suffix(".meaning.json"), meaning, accept_changes)
        found = {(answer.key, answer.row, answer.sample): answer for answer in store.records}
        open_tasks = [task for task in tasks if task.place not in found]
        reused = len(tasks) - len(open_tasks)
        asked = _answer(engine, open_tasks, store, found, reused)
        answers = [found[task.place] for task in tasks]
        if answers != store.records:  # finished out of order, or holds answers of other requests
            write_records(path, answers)
    finishes = [answer.finish for answer in answers]
    return Outcome(asked, reused, finishes.count("too_long"), finishes.count("length"))


def _answer(
    engine: Engine,
    tasks: Sequence[Task],
    store: Store[Answer],
    found: dict[Place, Answer],
    reused: int,
) -> int:
    """Asks the engine for `tasks`, each distinct request once; returns how many it asked."""
    known = {answer.key: answer for answer in found.values()}
    waiting: dict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        request = task.request
        if len(request.prompt_ids) + request.sampling.max_tokens > engine.max_length:
            _record(store, found, _as_answer(task, None))
        elif request.key in known:  # the same request for another row
            _record(store, found, _copied(known[request.key], task))
        else:
            waiting[request.key].append(task)
    requests = [group[0].request for group in waiting.values()]
    total = reused + len(tasks)
    label = tasks[0].arm if tasks else ""
    done = total - sum(map(len, waiting.values()))
    bar = tqdm(total=total, initial=done, desc=label, unit=" answers", disable=not requests)
    with bar:
        for completion in engine.run(requests):
            for task in waiting[completion.key]:
                _record(store, found, _as_answer(task, completion))
                bar.update()
    return len(requests)


def _record(store: Store[Answer], found: dict[Place, Answer], answer: Answer) -> None:
    store.append(answer)
    found[answer.key, answer.row, answer.sample] = answer


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
