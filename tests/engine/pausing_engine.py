"""A slow engine that logs its requests, light enough for many processes."""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.base import Completion, Request


class PausingEngine:
    """Answers with the prompt's ids."""

    identity = "fake"
    max_length = 2048

    def __init__(self, pause_s: float, notes: Path, together: int = 1) -> None:
        """`notes`: a folder with one file of request keys per process id.

        Workers wait until `together` of them have started: one alone could finish first.
        """
        self._pause_s = pause_s
        self._notes = notes
        self._together = together

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Logs a request, pauses, answers: a request in flight at a kill is logged twice."""
        (self._notes / str(os.getpid())).touch()
        while len(list(self._notes.iterdir())) < self._together:
            time.sleep(0.05)
        for request in requests:
            with (self._notes / str(os.getpid())).open("a") as file:
                file.write(request.key + "\n")
            time.sleep(self._pause_s)
            yield Completion(
                request.key, f"answer to {request.prompt_ids[0]}", request.prompt_ids, "stop"
            )

    def close(self) -> None:
        """Nothing to free."""


class FailingEngine(PausingEngine):
    """An engine that always fails."""

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Fails like an engine whose model cannot be loaded."""
        raise ValueError("no such model here")
