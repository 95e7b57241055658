"""The log of questions and answers: lines of OpenAI chat messages, as `data: {train: …}` reads."""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from data.appender import Appender
from serving.known_prompt import RequestTurn


class PairLog:
    """An open log file. It holds what users write; headers and keys are never in it."""

    def __init__(self, path: Path) -> None:
        """Raises the errors of `Appender`."""
        self._appender = Appender(path)

    def write(
        self,
        route: str,
        messages: Sequence[RequestTurn],
        answer: str,
        shadow: tuple[str, str] | None = None,
    ) -> None:
        """Appends a chat, without the prompt, with its answer.

        `shadow`: route and text of the answer that no client saw. Raises DataError when the disk
        is full.
        """
        line: dict[str, Any] = {
            "id": uuid.uuid4().hex,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "route": route,
            "messages": [*messages, {"role": "assistant", "content": answer}],
        }
        if shadow is not None:
            line["shadow"] = {"route": shadow[0], "content": shadow[1]}
        text = json.dumps(line, ensure_ascii=False)
        # half of a surrogate pair has no UTF-8; it stays the escape that JSON has for it
        self._appender.write(text.encode("utf-8", "backslashreplace") + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._appender.close()
