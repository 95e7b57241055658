"""Kinds of malformed JSONL lines, which `test_logs` inserts among valid ones."""

import json

from data.readers.cells import MAX_FIELD

GOOD = {"id": "x", "q": "Когда открыта касса?", "c": ["Касса открыта до шести."], "a": "До шести."}


def _line(**changed: object) -> bytes:
    return json.dumps({**GOOD, **changed}, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _without(key: str) -> bytes:
    return json.dumps({name: value for name, value in GOOD.items() if name != key}).encode()


KINDS: dict[str, bytes] = {
    "byte order mark inside the file": b"\xef\xbb\xbf" + _line(),
    "escaped NUL in the question": _line(q="касса\0"),
    "bare NUL bytes": _line()[:20] + b"\0\0\0" + _line()[20:],
    "lone surrogate, escaped": json.dumps({**GOOD, "q": "касса \ud800"}).encode(),
    "lone surrogate, as bytes": _line(q="касса \ud800"),
    "cp1251": json.dumps(GOOD, ensure_ascii=False).encode("cp1251"),
    "NaN id": _line(id=float("nan")),
    "infinite id": _line(id=float("inf")),
    "null id": _line(id=None),
    "list id": _line(id=["x"]),
    "null question": _line(q=None),
    "list question": _line(q=["касса?"]),
    "blank question": _line(q=" \t\u00a0"),
    "invisible question": _line(q="\u200b\ufeff"),
    "no question": _without("q"),
    "yes-or-no question": _line(q=True),
    "truncated": _line()[:-9],
    "repeated key": _line()[:-1] + b', "q": "2"}',
    "10 MB field": _line(a="x" * 10_000_000),
    "not an object": json.dumps([GOOD]).encode(),
    "two objects": _line() + _line(),
    "Python repr": repr(GOOD).encode(),
    "brackets without end": b"[" * 100_000,
    "a number as passages": _line(c=7),
}
assert len(KINDS) == 24 and MAX_FIELD < 10_000_000
