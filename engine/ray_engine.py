"""The backend of several processes or machines: our own engine in the actors of a Ray Data job.

A worker that dies is started again by Ray, and what it had under way is answered anew; a completion
is passed on once, whatever came twice.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from config.backends import RayBackend
from config.checkout import ROOT
from config.errors import SetupError, UnpromptedError
from engine.base import Completion, Engine, Request

# Read when Ray is imported. A thread of Ray Data's that asks for the cluster after `close` would
# start another one, whose end ends this process a minute later.
os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"

AT_ONCE = 16_384  # requests that one Ray Data job takes: all of them wait in memory


@dataclass(frozen=True)
class Workers:
    """How many answer, and where."""

    count: int
    batch_rows: int  # requests that one answers at a time
    address: str | None = None  # of a running cluster; None: one is started on this machine

    @classmethod
    def of(cls, settings: RayBackend) -> "Workers":
        """As the settings say."""
        return cls(settings.workers, settings.batch_rows, settings.address)


class RayEngine:
    """One model in so many actors, each with an engine of its own. Starts with the first request.

    The actors live for AT_ONCE requests: a run of more loads the model again for the next ones.
    """

    def __init__(
        self, workers: Workers, make: Callable[[], Engine], identity: str, max_length: int
    ) -> None:
        """`make` is called in each worker; it and what it makes say the same as the two others."""
        self._workers = workers
        self._make = make
        self.identity = identity
        self.max_length = max_length
        self._started = False

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions batch by batch, as workers finish them.

        Raises SetupError when Ray is not installed, no cluster is there, or an engine in a worker
        fails.
        """
        coming = iter(requests)
        while some := list(islice(coming, AT_ONCE)):
            yield from self._answer(some)

    def _answer(self, requests: list[Request]) -> Iterator[Completion]:
        waiting = {request.key for request in requests}
        rows = self._dataset(requests).iter_rows()
        from ray.exceptions import RayError

        try:
            for row in rows:
                found: _Found = row["found"]
                if found.completion is None:
                    raise SetupError(f"teacher.engine ray: {found.failure}")
                if found.completion.key in waiting:
                    waiting.remove(found.completion.key)
                    yield found.completion
        except RayError as error:
            raise SetupError(f"teacher.engine ray: {_last_line(error)}") from error
        if waiting:
            raise SetupError(
                f"teacher.engine ray: {len(waiting)} requests came back without an answer; "
                "run again, what came back is kept"
            )

    def close(self) -> None:
        """Ends the workers, and the cluster where it was started here."""
        if self._started:
            import ray

            ray.shutdown()
            self._started = False

    def _dataset(self, requests: list[Request]) -> Any:
        self._start()
        import ray

        gpus = 1 if ray.cluster_resources().get("GPU") else 0
        rows = self._workers.batch_rows
        blocks = -(-len(requests) // rows)
        items = [{"request": request} for request in requests]
        return ray.data.from_items(items, override_num_blocks=blocks).map_batches(
            _Worker,
            fn_constructor_kwargs={"make": self._make},
            batch_size=rows,
            compute=ray.data.ActorPoolStrategy(size=min(self._workers.count, blocks)),
            num_gpus=gpus,
            num_cpus=0 if gpus else 1,
        )

    def _start(self) -> None:
        if self._started:
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise SetupError(
                f"Ray is not installed ({error}); run `pip install '.[ray]'`"
            ) from None
        here: dict[str, Any] = {}
        if self._workers.address is not None:
            _check_reachable(self._workers.address)
        else:
            here = {"num_cpus": self._workers.count, "include_dashboard": False}
        try:
            ray.init(
                address=self._workers.address or "local",
                runtime_env={"env_vars": {"PYTHONPATH": _python_path()}},
                log_to_driver=False,
                logging_level="ERROR",
                **here,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise SetupError(
                f"teacher.engine ray: {self._workers.address}: {_last_line(error)}"
            ) from None
        self._started = True
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is raised
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False  # they would stand where the answers' bar is


@dataclass(frozen=True)
class _Found:
    """What a worker hands over: a completion, or why there are no more of a batch."""

    completion: Completion | None
    failure: str = ""


class _Worker:
    """An engine in a process of its own."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        self._engine = make()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[_Found]]:
        found = []
        try:
            for completion in self._engine.run(batch["request"].tolist()):
                found.append(_Found(completion))
        except Exception as error:  # raised as it is, it would come back as pages of Ray's own
            said = str(error).strip().splitlines()[:1]
            known = isinstance(error, UnpromptedError)
            kind = [] if known else [type(error).__name__]
            found.append(_Found(None, ": ".join([*kind, *said])))
        return {"found": found}


def _check_reachable(address: str) -> None:
    """Raises SetupError where nobody listens: Ray itself would try for a quarter of an hour."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdigit():  # "auto"
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise SetupError(
            f"teacher.engine ray: {address}: no cluster answers there ({error}); start it with "
            "`ray start --head`, or leave address away"
        ) from None


def _python_path() -> str:
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(ROOT), *([inherited] if inherited else [])])


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:300]
