"""Decides which model answers a request: a student, or the base behind the prompt."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from serving.known_prompt import KnownPrompt, RequestTurn

PROMPTED = "prompted"  # the model name with which a client asks for the base behind the prompt
ROUTE_HEADER = "x-unprompted-route"  # of a request: `prompted` or the name of a student


class Route(NamedTuple):
    """The way of one request."""

    name: str  # a student's name, PROMPTED, or PASSED_ON
    messages: Sequence[RequestTurn]
    tokens_saved: int = 0


PASSED_ON = "passed_on"  # name of the route of a request that nothing is known about


@dataclass(frozen=True)
class Router:
    """The routes of one server."""

    prompt: KnownPrompt
    students: tuple[str, ...]  # names as in the settings; the first one is the default
    prompted_share: float = 0.0  # of the students' requests, answered by the base in their place

    def route(
        self, model: Any, messages: Sequence[RequestTurn], headers: Mapping[str, str]
    ) -> Route:
        """The route of a request.

        A student answers where the request names it, or begins with the prompt. The header goes
        before the model's name, and the name before the share. Other requests are passed on.
        """
        shorter = self.prompt.leave_out(messages)
        named = headers.get(ROUTE_HEADER, model)
        if named == PROMPTED:
            return self._prompted(messages, shorter is not None)
        if named not in self.students and shorter is None:
            return Route(PASSED_ON, messages)
        if random.random() < self.prompted_share:
            return self._prompted(messages, shorter is not None)
        name = named if named in self.students else self.students[0]
        if shorter is None:
            return Route(name, messages)
        return Route(name, shorter.messages, shorter.tokens_saved)

    def shadow(self, route: Route) -> Route:
        """The other way of a request that a student answers, or the base."""
        if route.name != PROMPTED:
            return self._prompted(route.messages, has_prompt=False)
        shorter = self.prompt.leave_out(route.messages)
        return Route(self.students[0], route.messages if shorter is None else shorter.messages)

    def _prompted(self, messages: Sequence[RequestTurn], has_prompt: bool) -> Route:
        return Route(PROMPTED, messages if has_prompt else self.prompt.put_in(messages))
