"""The backend without a server: files in OpenAI's batch format, sent by whoever runs this.

`requests/` holds what is to be sent, `results/` whatever came back, under any names, in any order,
in part, with errors. A result is found by its request's key, so the files themselves are the state.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from config.errors import DataError
from data.atomic_write import write_bytes
from engine.base import Completion, Request
from engine.openai_messages import ChatCodec, parse_token_completion
from wire.completion import Unintelligible

SHARD_BYTES = 100_000_000  # of a file at most; OpenAI takes 200 MB


class _Response(BaseModel):
    status_code: int = 200
    body: Any = None


class _Result(BaseModel):
    """One line of a result file; servers add keys of their own."""

    custom_id: str
    response: _Response | None = None
    error: Any = None

    @property
    def answered(self) -> bool:
        return self.response is not None and self.response.status_code == 200 and not self.error

    @property
    def filtered(self) -> bool:
        """Whether the provider's filter refused the request."""
        body = self.response.body if self.response else None
        return not self.answered and "content_filter" in json.dumps([body, self.error])


class _Place(NamedTuple):
    path: Path
    offset: int


class BatchResults:
    """The results in a folder as it is now, by key; read where asked for."""

    def __init__(self, folder: Path) -> None:
        self._places: dict[str, _Place] = {}
        self.failed: set[str] = set()  # keys of which only errors came
        self.unreadable: list[str] = []  # file:line of what is no result
        for path in sorted(folder.glob("*.jsonl")):
            self._index(path)
        self.failed -= self._places.keys()

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __getitem__(self, key: str) -> _Result:
        place = self._places[key]
        with place.path.open("rb") as file:
            file.seek(place.offset)
            return _Result.model_validate_json(file.readline())

    def _index(self, path: Path) -> None:
        offset = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                start, offset = offset, offset + len(line)
                if not line.strip():
                    continue
                try:
                    result = _Result.model_validate_json(line)
                except ValidationError:
                    self.unreadable.append(f"{path}:{number}")
                    continue
                if _is_answer(result):
                    self._places.setdefault(result.custom_id, _Place(path, start))
                else:
                    self.failed.add(result.custom_id)


def _is_answer(result: _Result) -> bool:
    """Whether a result can be read as an answer, be it one that the filter emptied."""
    if result.filtered:
        return True
    try:
        return result.answered and bool(parse_token_completion(_body(result)))
    except Unintelligible:
        return False


def _body(result: _Result) -> bytes:
    return json.dumps(result.response.body if result.response else None).encode()


class BatchFolder:
    """Where requests and results lie."""

    def __init__(self, path: Path, shard_rows: int) -> None:
        """`shard_rows`: requests in a file at most."""
        self.requests = path / "requests"
        self.results = path / "results"
        self._shard_rows = shard_rows

    def read_results(self) -> BatchResults:
        """The results that are there."""
        self.results.mkdir(parents=True, exist_ok=True)
        return BatchResults(self.results)

    def write(self, requests: Iterable[Request], chat: ChatCodec) -> list[Path]:
        """Puts these requests in the place of all that were written before; returns the files.

        Raises DataError when the disk is full.
        """
        written: list[Path] = []
        for number, lines in enumerate(self._shards(requests, chat), 1):
            path = self.requests / f"requests-{number:04}.jsonl"
            write_bytes(path, *lines)
            written.append(path)
        for path in set(self.requests.glob("requests-*.jsonl")) - set(written):
            path.unlink()
        return written

    def _shards(self, requests: Iterable[Request], chat: ChatCodec) -> Iterator[list[bytes]]:
        lines: list[bytes] = []
        size = 0
        for request in requests:
            line = _line(request, chat)
            if lines and (len(lines) == self._shard_rows or size + len(line) > SHARD_BYTES):
                yield lines
                lines, size = [], 0
            lines.append(line)
            size += len(line)
        if lines:
            yield lines


def _line(request: Request, chat: ChatCodec) -> bytes:
    line = {
        "custom_id": request.key,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": chat.body(request),
    }
    return json.dumps(line, ensure_ascii=False).encode(errors="replace") + b"\n"


class BatchEngine:
    """Answers with the results that are there."""

    def __init__(self, folder: BatchFolder, chat: ChatCodec, max_length: int) -> None:
        """`max_length` in tokens of the base."""
        self._folder = folder
        self._chat = chat
        self.identity = chat.identity
        self.max_length = max_length

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions whose results are there.

        Raises DataError at the end when there are others.
        """
        results = self._folder.read_results()
        missing = failed = 0
        for request in requests:
            if request.key in results:
                yield self._completion(request, results[request.key])
            else:
                missing += 1
                failed += request.key in results.failed
        if missing:
            torn = results.unreadable
            unreadable = (
                f", {len(torn)} lines are unreadable (the first: {torn[0]})" if torn else ""
            )
            raise DataError(
                f"{self._folder.results}: {missing} answers are not there, {failed} of them came "
                f"back as errors{unreadable}; run `python -m teacher CONFIG prepare`, send the "
                f"files in {self._folder.requests}, put the results there and collect again"
            )

    def close(self) -> None:
        """Nothing to free."""

    def _completion(self, request: Request, result: _Result) -> Completion:
        if result.filtered:
            return self._chat.refused(request)
        return self._chat.completion(request, parse_token_completion(_body(result)))
