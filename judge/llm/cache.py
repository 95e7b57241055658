"""What was asked and what came back, kept raw, so that no question is paid for twice.

Every reply is kept as it comes, readable or not, and every refusal of a request by the server; a
request that got no reply is not. Of two records with one key the later counts.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from data.jsonl import JsonlStore, read_records
from data.records import Record
from wire.client import Loss, Unanswered
from wire.completion import Reply

SYNC_EVERY = 32  # replies from which the disk is asked to write them, in a thread


class CachedReply(Record):
    """One request's reply. `key` is the hash of the full request."""

    key: str
    rule: str
    row: str
    text: str  # as it came: verdicts can be read again without asking again
    finish: str
    rejected: Loss | None = None  # the server refused the request: why; text is what it said
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ReplyCache:
    """The replies in a file. To be closed."""

    def __init__(self, path: Path, writable: bool = True) -> None:
        """Raises DataError when another process is writing the file; read only, none is needed."""
        self._store = JsonlStore(path, CachedReply, sync_every=None) if writable else None
        # a busy disk takes seconds for a sync: meanwhile the requests go on
        self._syncer = ThreadPoolExecutor(max_workers=1)
        self._sync: Future[None] | None = None
        self._unsynced = 0
        if self._store is not None:
            records = self._store.records
        else:
            records = list(read_records(path, CachedReply)) if path.exists() else []
        self._known = {record.key: record for record in records}

    def reply(self, key: str) -> Reply | None:
        """The stored reply to a request; None: there is none.

        Raises Unanswered when the server had rejected the request.
        """
        found = self._known.get(key)
        if found is None:
            return None
        if found.rejected is not None:
            raise Unanswered(found.rejected, found.text, rejected=True)
        return Reply(found.text, found.finish, found.prompt_tokens, found.completion_tokens)

    def keep(self, key: str, rule: str, row: str, reply: Reply) -> None:
        """Stores the reply to a request."""
        self._add(CachedReply(key=key, rule=rule, row=row, **reply._asdict()))

    def keep_rejection(self, key: str, rule: str, row: str, error: Unanswered) -> None:
        """Stores that the server rejected a request, and why."""
        said = {"text": str(error), "finish": "", "rejected": error.reason}
        self._add(CachedReply.model_validate({"key": key, "rule": rule, "row": row, **said}))

    def close(self) -> None:
        """Syncs and releases the file."""
        self._syncer.shutdown()
        if self._store is not None:
            self._store.close()

    def _add(self, record: CachedReply) -> None:
        self._known[record.key] = record
        if self._store is None:
            return
        self._store.append(record)
        self._unsynced += 1
        if self._unsynced >= SYNC_EVERY and (self._sync is None or self._sync.done()):
            if self._sync is not None:
                self._sync.result()  # raises when the disk was full
            self._sync = self._syncer.submit(self._store.sync)
            self._unsynced = 0
