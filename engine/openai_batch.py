"""The backend without a connection: files in OpenAI's batch format, which the user sends.

`requests/` holds the files to send, `results/` what came back, under any names, in any order,
incomplete or with errors. Results are found by their request's key, so no other state is needed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from config.errors import DataError
from data.atomic_write import write_bytes
from engine.base import Completion, Request
from engine.openai_messages import ChatCodec
from wire.completion import ChatCompletion, ErrorReply, Unintelligible, parse_completion
from wire.http_error import http_fault
from wire.server_words import error_words

SHARD_BYTES = 100_000_000  # most bytes per file; OpenAI accepts 200 MB


class _Response(BaseModel):
    status_code: int = 200
    body: Any = None


class _Result(BaseModel):
    """One line of a result file; servers add other keys."""

    custom_id: str
    response: _Response | None = None
    error: Any = None

    @property
    def succeeded(self) -> bool:
        return self.response is not None and self.response.status_code == 200 and not self.error

    @property
    def refusal(self) -> Literal["filtered", "overflow"] | None:
        """Why this request was rejected, and will be again; None: it was answered, or may be."""
        if self.succeeded:
            return None
        fault = http_fault(max(400, self._status), self._error_text, frozenset())
        return fault if fault in ("filtered", "overflow") else None

    @property
    def failure(self) -> str:
        """What the server says in place of an answer, in one line."""
        words = error_words(self._error_text)
        return words if self._status == 200 else f"HTTP {self._status}: {words}"

    @property
    def _status(self) -> int:
        return self.response.status_code if self.response else 200

    @property
    def _error_text(self) -> str:
        return json.dumps(self.error or (self.response.body if self.response else None))

    @property
    def body(self) -> bytes:
        return json.dumps(self.response.body if self.response else None).encode()

    @property
    def is_answer(self) -> bool:
        """Whether it contains an answer, or an empty one to a request that was rejected."""
        if self.refusal is not None:
            return True
        try:
            return self.succeeded and bool(parse_completion(self.body, ChatCompletion))
        except (ErrorReply, Unintelligible):
            return False


class BatchResults:
    """The results in a folder, by key; they are read on access."""

    def __init__(self, folder: Path) -> None:
        self._locations: dict[str, tuple[Path, int]] = {}  # key → file and byte offset
        self.failed: dict[str, str] = {}  # keys without an answer → what the server says instead
        self.unreadable: list[str] = []  # file:line of lines that are not results
        for path in sorted(folder.glob("*.jsonl")):
            self._index(path)
        for key in self._locations.keys() & self.failed.keys():
            del self.failed[key]

    def __contains__(self, key: str) -> bool:
        return key in self._locations

    def __getitem__(self, key: str) -> _Result:
        path, offset = self._locations[key]
        with path.open("rb") as file:
            file.seek(offset)
            return _Result.model_validate_json(file.readline())

    def _index(self, path: Path) -> None:
        end = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                start, end = end, end + len(line)
                if not line.strip():
                    continue
                try:
                    result = _Result.model_validate_json(line)
                except ValidationError:
                    self.unreadable.append(f"{path}:{number}")
                    continue
                if result.is_answer:
                    self._locations.setdefault(result.custom_id, (path, start))
                else:
                    self.failed[result.custom_id] = result.failure


def most_frequent(failures: Counter[str]) -> str:
    """The most frequent words of failed results, for the end of a line."""
    return "".join(f", mostly: {words}" for words, _ in failures.most_common(1))


class BatchFolder:
    """The folders of requests and results."""

    def __init__(self, path: Path, shard_rows: int) -> None:
        """`shard_rows`: most requests per file."""
        self.requests = path / "requests"
        self.results = path / "results"
        self._shard_rows = shard_rows

    def read_results(self) -> BatchResults:
        """The results that have come back."""
        self.results.mkdir(parents=True, exist_ok=True)
        return BatchResults(self.results)

    def write(self, requests: Iterable[Request], codec: ChatCodec) -> list[Path]:
        """Replaces all request files by these requests; returns the files.

        Raises DataError when the disk is full.
        """
        files: list[Path] = []
        for number, lines in enumerate(self._shards(requests, codec), 1):
            path = self.requests / f"requests-{number:04}.jsonl"
            write_bytes(path, *lines)
            files.append(path)
        for path in set(self.requests.glob("requests-*.jsonl")) - set(files):
            path.unlink()
        return files

    def _shards(self, requests: Iterable[Request], codec: ChatCodec) -> Iterator[list[bytes]]:
        lines: list[bytes] = []
        size = 0
        for request in requests:
            line = _request_line(request, codec)
            if lines and (len(lines) == self._shard_rows or size + len(line) > SHARD_BYTES):
                yield lines
                lines, size = [], 0
            lines.append(line)
            size += len(line)
        if lines:
            yield lines


def _request_line(request: Request, codec: ChatCodec) -> bytes:
    line = {
        "custom_id": request.key,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": codec.body(request),
    }
    return json.dumps(line, ensure_ascii=False).encode(errors="replace") + b"\n"


class MissingResults(DataError):
    """Requests have no result yet."""


class BatchEngine:
    """Answers requests from the results that have come back."""

    def __init__(self, folder: BatchFolder, codec: ChatCodec, max_length: int) -> None:
        """`max_length` in tokens of the base."""
        self._folder = folder
        self._codec = codec
        self.identity = codec.identity
        self.max_length = max_length

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions that have results.

        Raises MissingResults at the end when some are missing.
        """
        results = self._folder.read_results()
        missing, failures = 0, Counter[str]()
        for request in requests:
            if request.key in results:
                yield self._completion(request, results[request.key])
            else:
                missing += 1
                failures.update(filter(None, [results.failed.get(request.key)]))
        if missing:
            lines = results.unreadable
            unreadable = f", {len(lines)} lines are unreadable (first: {lines[0]})" if lines else ""
            raise MissingResults(
                f"{self._folder.results}: {missing} answers are missing, {failures.total()} of "
                f"them came back as errors{unreadable}{most_frequent(failures)}; run "
                f"`unprompted teacher CONFIG prepare`, send the files in {self._folder.requests}, "
                "put the results there and collect again"
            )

    def close(self) -> None:
        """Nothing to free."""

    def _completion(self, request: Request, result: _Result) -> Completion:
        if result.refusal is not None:
            is_long = result.refusal == "overflow"
            return self._codec.too_long(request) if is_long else self._codec.filtered(request)
        return self._codec.completion(request, self._codec.parse(result.body))
