"""What the comments at the fields of a settings class say: the only place where it is written."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import takewhile

from pydantic import BaseModel


def field_comments(model: type[BaseModel]) -> dict[str, str]:
    """Field → the comment beside it, or on the lines above it; inherited fields included.

    Fields without a comment are left out.
    """
    comments: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            comments |= dict(_own_comments(cls))
    return {name: comments[name] for name in model.model_fields if name in comments}


def _own_comments(cls: type[BaseModel]) -> Iterator[tuple[str, str]]:
    source = textwrap.dedent(inspect.getsource(cls))
    lines = source.splitlines()
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    for node in definition.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above = takewhile(_is_comment, reversed(lines[: node.lineno - 1]))
            end = node.end_lineno or node.lineno
            beside = lines[end - 1][_columns(lines[end - 1], node.end_col_offset) :]
            parts = [*reversed(list(above)), beside]
            text = " ".join(part.strip().removeprefix("#").strip() for part in parts)
            if text.strip():
                yield node.target.id, text.strip()


def _is_comment(line: str) -> bool:
    return line.strip().startswith("#")


def _columns(line: str, size: int | None) -> int:
    """Characters up to a place that ast counts in bytes."""
    return len(line.encode()[: size or 0].decode())
