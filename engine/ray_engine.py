"""The backend for several processes or machines: a Ray Data job whose actors run an engine each.

Ray restarts a worker that dies, and its batch is answered again; duplicate completions are
dropped.
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

# Ray reads this when it is imported. Otherwise a Ray Data thread that asks for the cluster after
# `close` starts another cluster, whose shutdown ends this process a minute later.
os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"

REQUESTS_PER_JOB = 16_384  # of one Ray Data job, which holds them all in memory


class RayEngine:
    """One model in several actors. Starts with the first request.

    Actors live for one Ray Data job: the model is loaded again every REQUESTS_PER_JOB requests.
    """

    def __init__(
        self, settings: RayBackend, make: Callable[[], Engine], identity: str, max_length: int
    ) -> None:
        """`make` is called in each worker; its engine has this `identity` and `max_length`."""
        self._settings = settings
        self._make = make
        self.identity = identity
        self.max_length = max_length
        self._started = False

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions batch by batch, as workers finish them.

        Raises SetupError when Ray is not installed, the cluster is unreachable, or an engine in a
        worker fails.
        """
        remaining = iter(requests)
        while job_requests := list(islice(remaining, REQUESTS_PER_JOB)):
            yield from self._run_job(job_requests)

    def _run_job(self, requests: list[Request]) -> Iterator[Completion]:
        unanswered = {request.key for request in requests}
        rows = self._dataset(requests).iter_rows()
        from ray.exceptions import RayError

        try:
            for row in rows:
                reply: _WorkerReply = row["reply"]
                if reply.completion is None:
                    raise SetupError(f"teacher.engine ray: {reply.error}")
                if reply.completion.key in unanswered:
                    unanswered.remove(reply.completion.key)
                    yield reply.completion
        except RayError as error:
            raise SetupError(f"teacher.engine ray: {_last_line(error)}") from error
        if unanswered:
            raise SetupError(
                f"teacher.engine ray: {len(unanswered)} requests came back without an answer; "
                "run again, finished answers are kept"
            )

    def close(self) -> None:
        """Ends the workers, and the cluster if this engine started it."""
        if self._started:
            import ray

            ray.shutdown()
            self._started = False

    def _dataset(self, requests: list[Request]) -> Any:
        self._start()
        import ray

        gpus = 1 if ray.cluster_resources().get("GPU") else 0
        batch_rows = self._settings.batch_rows
        blocks = -(-len(requests) // batch_rows)
        items = [{"request": request} for request in requests]
        return ray.data.from_items(items, override_num_blocks=blocks).map_batches(
            _Worker,
            fn_constructor_kwargs={"make": self._make},
            batch_size=batch_rows,
            compute=ray.data.ActorPoolStrategy(size=min(self._settings.workers, blocks)),
            num_gpus=gpus,
            num_cpus=0 if gpus else 1,
        )

    def _start(self) -> None:
        if self._started:
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise SetupError(
                f"Ray is not installed ({error}); run `pip install '.[ray]'`"
            ) from None
        address = self._settings.address
        local_options: dict[str, Any] = {}
        if address is not None:
            _check_reachable(address)
        else:
            local_options = {"num_cpus": self._settings.workers, "include_dashboard": False}
        try:
            ray.init(
                address=address or "local",
                runtime_env={"env_vars": {"PYTHONPATH": _python_path()}},
                log_to_driver=False,
                logging_level="ERROR",
                **local_options,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise SetupError(f"teacher.engine ray: {address}: {_last_line(error)}") from None
        self._started = True
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # failures are raised anyway
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False  # keeps them out of the log


@dataclass(frozen=True)
class _WorkerReply:
    """A completion, or the error that ended a batch."""

    completion: Completion | None
    error: str = ""


class _Worker:
    """An engine in its own process."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        self._engine = make()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[_WorkerReply]]:
        replies = []
        try:
            for completion in self._engine.run(batch["request"].tolist()):
                replies.append(_WorkerReply(completion))
        except Exception as error:  # returned as one line: Ray adds pages to what is raised
            message = str(error).strip().splitlines()[:1]
            prefix = [] if isinstance(error, UnpromptedError) else [type(error).__name__]
            replies.append(_WorkerReply(None, ": ".join([*prefix, *message])))
        return {"reply": replies}


def _check_reachable(address: str) -> None:
    """Raises SetupError if nothing listens there: Ray itself would retry for 15 minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdigit():  # "auto"
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise SetupError(
            f"teacher.engine ray: {address}: no cluster answers there ({error}); start it with "
            "`ray start --head`, or leave address out"
        ) from None


def _python_path() -> str:
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(ROOT), *([inherited] if inherited else [])])


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:300]
