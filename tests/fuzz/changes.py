"""Strategies that change valid examples in a few places: trees of values, and bytes."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

ODD_TEXTS = (
    "",
    " ",
    "\0",
    "\n",
    "a\r\nb",
    "\u2028",
    "\ufeff",
    "\u202e",
    "\x1b[31m",
    "\ud83d",
    "🦆",
    "ё" * 5000,
    "<script>alert(1)</script>",
    "{question}",
    "{{ x }}",
    "{% for x in y %}",
    "<|im_end|>",
    "(a+)+$",
    "(?P<x",
    "(?x)a #",
    "(?s)a",
    "\\1",
    "[",
    "../../etc/passwd",
    "null",
    "NaN",
    "1e400",
    "=1+1",
    "!!python/object/apply:os.system [id]",
)
ODD_VALUES = st.one_of(
    st.sampled_from((None, True, False, 0, -1, 1, 2**31, 2**70, 10**400, 0.5, -0.0, 1e308)),
    st.sampled_from((float("nan"), float("inf"), [], {}, [[]], [None], {"": ""}, {"a": {"b": []}})),
    st.sampled_from(ODD_TEXTS),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
)
_SNIPPETS = (
    b"\0",
    b"\n",
    b"\r",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b'"',
    b"'",
    b"\\",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"- ",
    b",",
    b"\t",
    b"#",
    b"&a ",
    b"*a ",
    b"!x ",
    b"<<: ",
    b"---\n",
    b"null",
    b"NaN",
    b"-1",
    b"1e999",
    b"9" * 5000,
    b"{" * 2000,
    b"[" * 2000,
)

_Place = tuple[Any, Any]  # a container, and the key or index in it


@st.composite
def changed_tree(draw: st.DrawFn, tree: Any, most: int = 3) -> Any:
    """A copy of a tree of dicts and lists with one to `most` values changed, moved or removed."""
    changed = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, most))):
        places = _places(changed)
        if places:
            draw(st.sampled_from(_TREE_CHANGES))(draw, places)
    return changed


@st.composite
def changed_bytes(draw: st.DrawFn, data: bytes, most: int = 3) -> bytes:
    """The bytes with one to `most` changes: cut, flipped, inserted, removed, replaced, swapped."""
    for _ in range(draw(st.integers(1, most))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        data = draw(st.sampled_from(_BYTE_CHANGES))(draw, data, start, end)
    return data


def _places(tree: Any) -> list[_Place]:
    keys: Sequence[Any] = ()
    if isinstance(tree, dict):
        keys = list(tree)
    elif isinstance(tree, list):
        keys = range(len(tree))
    places = [(tree, key) for key in keys]
    return places + [place for key in keys for place in _places(tree[key])]


def _place(draw: st.DrawFn, places: list[_Place]) -> _Place:
    return places[draw(st.integers(0, len(places) - 1))]


def _set_odd(draw: st.DrawFn, places: list[_Place]) -> None:
    container, key = _place(draw, places)
    container[key] = copy.deepcopy(draw(ODD_VALUES))


def _set_other(draw: st.DrawFn, places: list[_Place]) -> None:
    container, key = _place(draw, places)
    other, other_key = _place(draw, places)
    container[key] = copy.deepcopy(other[other_key])


def _remove(draw: st.DrawFn, places: list[_Place]) -> None:
    container, key = _place(draw, places)
    del container[key]


def _rename(draw: st.DrawFn, places: list[_Place]) -> None:
    container, key = _place(draw, places)
    if isinstance(container, dict):
        name = draw(st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=5), st.integers()))
        container[name] = container.pop(key)
    else:
        container.append(copy.deepcopy(container[key]))


def _wrap(draw: st.DrawFn, places: list[_Place]) -> None:
    container, key = _place(draw, places)
    container[key] = draw(st.sampled_from(([container[key]], {"x": container[key]})))


def _edit_text(draw: st.DrawFn, places: list[_Place]) -> None:
    texts = [place for place in places if isinstance(place[0][place[1]], str)]
    if texts:
        container, key = _place(draw, texts)
        text = container[key]
        at = draw(st.integers(0, len(text)))
        end = draw(st.sampled_from((at, at + 1, len(text))))
        inserted = draw(st.one_of(st.sampled_from(ODD_TEXTS), st.text(max_size=3)))
        container[key] = text[:at] + inserted + text[end:]


_TREE_CHANGES: tuple[Callable[[st.DrawFn, list[_Place]], None], ...] = (
    _set_odd,
    _set_other,
    _remove,
    _rename,
    _wrap,
    _edit_text,
)


def _cut(draw: st.DrawFn, data: bytes, start: int, end: int) -> bytes:
    return data[:start]


def _flip(draw: st.DrawFn, data: bytes, start: int, end: int) -> bytes:
    flipped = bytes(byte ^ (1 << draw(st.integers(0, 7))) for byte in data[start : start + 1])
    return data[:start] + flipped + data[start + 1 :]


def _insert(draw: st.DrawFn, data: bytes, start: int, end: int) -> bytes:
    return data[:start] + _noise(draw) + data[start:]


def _replace(draw: st.DrawFn, data: bytes, start: int, end: int) -> bytes:
    return data[:start] + _noise(draw) + data[end:]


def _delete(draw: st.DrawFn, data: bytes, start: int, end: int) -> bytes:
    return data[:start] + data[end:]


def _swap(draw: st.DrawFn, data: bytes, start: int, end: int) -> bytes:
    """Exchanges a piece with the one behind it."""
    width = end - start
    after = data[end : end + width]
    return data[:start] + after + data[start:end] + data[end + len(after) :]


def _repeat(draw: st.DrawFn, data: bytes, start: int, end: int) -> bytes:
    return data[:end] + data[start:]


def _noise(draw: st.DrawFn) -> bytes:
    return draw(st.one_of(st.sampled_from(_SNIPPETS), st.binary(min_size=1, max_size=8)))


_BYTE_CHANGES: tuple[Callable[[st.DrawFn, bytes, int, int], bytes], ...] = (
    _cut,
    _flip,
    _insert,
    _replace,
    _delete,
    _swap,
    _repeat,
)
