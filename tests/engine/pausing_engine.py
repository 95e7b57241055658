"""An engine that takes its time and notes what it answers, light enough for many processes."""

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
        """`notes`: a folder where each process leaves a file of its number with the keys.

        None answers before so many have begun: one alone could be done before the other starts.
        """
        self._pause_s = pause_s
        self._notes = notes
        self._together = together

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Noted first, answered after the pause: what is under way when it dies is noted twice."""
        (self._notes / str(os.getpid())).touch()
        while len(list(self._notes.iterdir())) < self._together:
            time.sleep(0.05)
        for one in requests:
            with (self._notes / str(os.getpid())).open("a") as file:
                file.write(one.key + "\n")
            time.sleep(self._pause_s)
            yield Completion(one.key, f"answer to {one.prompt_ids[0]}", one.prompt_ids, "stop")

    def close(self) -> None:
        """Nothing to free."""


class FailingEngine(PausingEngine):
    """Cannot do it."""

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """As an engine does whose model cannot be loaded."""
        raise ValueError("no such model here")
