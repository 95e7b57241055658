"""Tells requests that a server refuses for their own text from a server that refuses every one.

A refused request gets an empty completion, which is counted and never learnt. It is given out once
the server accepts another request: until then the key or the settings may be at fault.
"""

import sys
from typing import NamedTuple

from config.console import print
from config.errors import SetupError
from engine.base import Completion
from wire.client import FIRST_REFUSALS, GIVE_UP_AFTER


class RefusedRequest(NamedTuple):
    """A refused request."""

    completion: Completion  # in place of an answer
    failure: SetupError  # if the request is not at fault
    at_once: bool = False  # the settings are at fault unless a request was accepted before


class RefusedRows:
    """The refusals of one run."""

    def __init__(self) -> None:
        self.refuses_all = False  # the server refused every request, and enough of them
        self._in_a_row: list[RefusedRequest] = []  # since the last accepted request
        self._accepted = False
        self._first: RefusedRequest | None = None
        self._count = 0

    def add(self, refusal: RefusedRequest) -> None:
        """Raises the refusal's failure when it is the third of a run without an accepted request,
        or the twentieth in a row. Prompts too long are no fault of the server after that.
        """
        self._in_a_row.append(refusal)
        refusals = self._in_a_row
        if self._accepted:
            refusals = [each for each in refusals if each.completion.finish != "too_long"]
        limit = GIVE_UP_AFTER if self._accepted else FIRST_REFUSALS
        if len(refusals) >= limit or (refusal.at_once and not self._accepted):
            self.refuses_all = not self._accepted
            raise refusal.failure

    def on_accepted(self) -> list[Completion]:
        """The completions of the refusals so far, now that a request was accepted."""
        self._accepted = True
        return self.released()

    def released(self) -> list[Completion]:
        """The completions of the refusals so far, each once."""
        refusals, self._in_a_row = self._in_a_row, []
        self._count += len(refusals)
        self._first = self._first or next(iter(refusals), None)
        return [refusal.completion for refusal in refusals]

    def report(self) -> None:
        """Says how many requests were refused, and why the first one was."""
        if self._first is not None:
            print(
                f"{self._count} requests were refused; their answers are empty and never learnt. "
                f"The first: {self._first.failure}",
                file=sys.stderr,
            )
