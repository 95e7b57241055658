"""Stores raw replies by request, so that no request is paid for twice.

Replies are stored unparsed, readable or not, and so are rejections. Undelivered requests are not
stored. Of two records with one key, the later counts.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from data.jsonl import JsonlFile, read_appended
from data.records import Record
from judge.llm.request import JudgeRequest
from wire.completion import Reply, TokenLogprobs
from wire.no_reply import BadRequest, ContentFiltered, ContextOverflow, Forbidden, Rejected

_KINDS = ContextOverflow, ContentFiltered, Forbidden, BadRequest
_REJECTIONS = {kind.__name__: kind for kind in _KINDS}


class CachedReply(Record):
    """The raw reply to a request, or its rejection."""

    key: str  # hash of the full request
    rule: str
    row: str
    text: str  # of the reply, or the error line of the rejection
    finish: str  # the server's own word
    rejected: Literal["ContextOverflow", "ContentFiltered", "Forbidden", "BadRequest"] | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning: str = ""  # where the reply has no text
    tokens: tuple[TokenLogprobs, ...] = ()  # the last ones, if they were asked for

    @field_validator("tokens", mode="before")
    @classmethod
    def _whole(cls, tokens: Any) -> Any:
        """No tokens where a log-probability is missing: a file cannot hold the NaN it once was."""
        return () if isinstance(tokens, list) and _lacks_number(tokens) else tokens


def _lacks_number(tokens: list[Any]) -> bool:
    try:
        return any(logprob is None for _, top in tokens for _, logprob in top)
    except (TypeError, ValueError):
        return False  # of another form, which pydantic names


class ReplyCache:
    """The replies in a file, by request. Close it after use."""

    def __init__(self, path: Path, writable: bool = True) -> None:
        """Raises DataError when another process writes the file. A reader needs no file."""
        self._store = JsonlFile(path, CachedReply) if writable else None
        try:
            self._by_key = {record.key: record for record in read_appended(path, CachedReply)}
        except BaseException as error:
            if self._store is not None:
                self._store.__exit__(type(error), error, None)
            raise

    def reply(self, key: str) -> Reply | None:
        """The stored reply to a request; None: nothing is stored.

        Raises Rejected when the server had rejected the request.
        """
        record = self._by_key.get(key)
        if record is None:
            return None
        if record.rejected is not None:
            raise _REJECTIONS[record.rejected](record.text)
        tokens = record.prompt_tokens, record.completion_tokens
        return Reply(record.text, record.finish, *tokens, record.reasoning, record.tokens)

    def add(self, request: JudgeRequest, reply: Reply | Rejected) -> None:
        """Stores a reply, or the server's rejection of the request.

        A reply that UTF-8 cannot encode is not stored, so the next run asks again.
        """
        if isinstance(reply, Reply) and not reply.is_storable:
            return
        if isinstance(reply, Rejected):
            fields = {"text": str(reply), "finish": "", "rejected": type(reply).__name__}
        else:
            fields = reply._asdict()
        record = CachedReply(key=request.key, rule=request.rule, row=request.row, **fields)
        self._by_key[record.key] = record
        if self._store is not None:
            self._store.append(record)

    def close(self) -> None:
        """Syncs and releases the file."""
        if self._store is not None:
            self._store.close()
