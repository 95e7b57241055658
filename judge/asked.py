"""The replies that the judge was given, kept raw, so that no question is paid for twice.

A reply is stored when the question it belongs to got a verdict; a question without one is asked
again in the next run.
"""

from collections.abc import Iterable
from pathlib import Path

from data.records import Record, digest
from data.store import Store
from judge.questions import Body
from judge.transport import Reply


class Asked(Record):
    """One request's reply. `key` is the hash of the full request."""

    key: str
    rule: str
    row: str
    text: str  # as it came: verdicts can be read again without asking again
    finish: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


def request_key(body: Body) -> str:
    """Hash of a full request: model, messages, sampling, form of the reply."""
    return digest(body)


class AskedStore:
    """The replies in a file. To be closed."""

    def __init__(self, path: Path) -> None:
        """Raises DataError when another process is writing the file."""
        self._store = Store(path, Asked)
        self._known = {record.key: record for record in self._store.records}

    def reply(self, key: str) -> Reply | None:
        """The stored reply to a request."""
        found = self._known.get(key)
        if found is None:
            return None
        return Reply(found.text, found.finish, found.prompt_tokens, found.completion_tokens)

    def keep(self, rule: str, row: str, replies: Iterable[tuple[str, Reply]]) -> None:
        """Stores the replies (by request key) of one question."""
        for key, reply in replies:
            if key not in self._known:
                record = Asked(key=key, rule=rule, row=row, **reply._asdict())
                self._known[key] = record
                self._store.append(record)

    def close(self) -> None:
        """Syncs and releases the file."""
        self._store.close()
