"""Lists and objects that a cell writes as text: JSON, or what pandas and numpy print.

Python text is parsed, never evaluated.
"""

import ast
import io
import json
import re
import tokenize
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_MAX_TEXT = 1_000_000  # characters; a syntax tree takes up to 100 times the text's memory
_NAMES = {**dict.fromkeys(("nan", "NaN", "NaT", "NA", "null")), "true": True, "false": False}
_WRAPPERS = frozenset(("array", "list", "tuple", "set", "str_", "Decimal", "UUID"))
_NUMPY_NUMBER = re.compile(r"(?:float|int|uint)\d+$")
# two values without a comma, perhaps: a quote or a bracket on either side of the space
_ADJACENT = re.compile(r"['\"\]})][ \t\r\n]+['\"\[{\w.]|[\w.][ \t\r\n]+['\"\[{]")


@dataclass(frozen=True)
class PythonCall:
    """A call that stands for no known value, such as `datetime.date(2026, 1, 1)`."""

    name: str


def nested_value(text: str) -> Any:
    """The list or object that a text writes in JSON or Python; None for any other text."""
    text = text.strip()
    if not text.startswith(("[", "{", "array(")):
        return None
    parsers: tuple[Callable[[str], object], ...] = (json.loads, parse_python)
    for parse in parsers:
        try:
            value = parse(text)
        except (ValueError, RecursionError):
            continue
        return value if isinstance(value, list | dict) else None
    return None


def parse_python(text: str) -> object:
    """Lists, objects and scalars of Python text; `Document(page_content=…)` is an object.

    Values in brackets without commas between them, as numpy prints them, are a list. Raises
    ValueError for other text, and for a list that numpy has shortened.
    """
    if len(text) > _MAX_TEXT:
        raise ValueError(f"{len(text)} characters of Python text, more than {_MAX_TEXT}")
    try:
        with warnings.catch_warnings():  # the parser warns about escapes in logged texts
            warnings.simplefilter("ignore")
            return _value(ast.parse(_with_commas(text.strip()), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError, tokenize.TokenError):
        raise ValueError("not Python text") from None


def _value(node: ast.expr) -> object:
    if isinstance(node, ast.Constant):
        if node.value is Ellipsis:
            raise ValueError("numpy has shortened the list; save it as JSON")
        return node.value
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return [_value(element) for element in node.elts]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {str(_value(key)): _value(value) for key, value in pairs if key is not None}
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return _NAMES[node.id]
    if isinstance(node, ast.Call):
        return _call(node)
    return _number(node)


def _call(node: ast.Call) -> object:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    if node.args and (name in _WRAPPERS or _NUMPY_NUMBER.match(name)):
        return _value(node.args[0])
    if node.args or not node.keywords:
        return PythonCall(name)
    return {keyword.arg: _value(keyword.value) for keyword in node.keywords if keyword.arg}


def _number(node: ast.expr) -> object:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand)
        if isinstance(value, int | float):
            return -value
    raise ValueError("not Python text")


def _with_commas(text: str) -> str:
    """The text with a comma between two values that only a space parts, inside brackets."""
    if _ADJACENT.search(text) is None:
        return text
    starts = [0]
    for line in io.StringIO(text, newline=""):
        starts.append(starts[-1] + len(line))
    parts, done, brackets = list[str](), 0, list[str]()
    for token, following in pairwise(_tokens(text)):
        if token.string in ("(", "[", "{"):
            brackets.append(token.string)
        elif token.string in (")", "]", "}") and brackets:
            brackets.pop()
        if brackets[-1:] == ["["] and _ends_value(token) and _begins_value(following):
            end = starts[token.end[0] - 1] + token.end[1]
            parts.append(text[done:end])
            done = end
    return ",".join((*parts, text[done:]))


def _tokens(text: str) -> list[tokenize.TokenInfo]:
    tokens = tokenize.generate_tokens(io.StringIO(text, newline="").readline)
    return [token for token in tokens if token.type not in (tokenize.NL, tokenize.COMMENT)]


def _ends_value(token: tokenize.TokenInfo) -> bool:
    is_scalar = token.type in (tokenize.STRING, tokenize.NUMBER)
    return is_scalar or token.string in ("]", "}", ")", "...") or token.string in (*_NAMES, "None")


def _begins_value(token: tokenize.TokenInfo) -> bool:
    is_scalar = token.type in (tokenize.STRING, tokenize.NUMBER, tokenize.NAME)
    return is_scalar or token.string in ("[", "{", "...", "-")
