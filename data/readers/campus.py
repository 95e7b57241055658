"""Reader of the campus chat-bot's JSON, and of its hidden set without answers and labels.

Knows the Russian keys, and the Python repr in which retrieved documents were logged.
"""

import ast
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.errors import DataError
from data.readers.cells import (
    Malformed,
    cell_labels,
    cell_text,
    is_no_passage,
    joined_text,
    required_text,
)
from data.readers.entry import Entry, RepeatedKey, read_bytes, unique_keys
from data.rows import PRODUCTION, Context, FollowUp, Row

QUESTION = "Вопрос пользователя"
CONTEXTS = "Ресурсы для ответа"
LABEL = "Кто лучше?"
COMMENT = "Комментарий"
ANSWERS = {PRODUCTION: "Ответ AI", "saiga": "Saiga", "giga": "Giga"}
TAGS = {
    "role": "Выбранная роль",
    "campus": "Кампус",
    "level": "Уровень образования",
    "category": "Категория вопроса",
    "user_filters": "user_filters",
    "question_filters": "question_filters",
}
FOLLOW_UP_QUESTION = "Уточненный вопрос пользователя"
FOLLOW_UP_ANSWER = "Ответ AI (уточнение)"
FOLLOW_UP_CONTEXTS = "Ресурсы для ответа (уточнение)"


def read_campus(path: Path) -> Iterator[Entry]:
    """The objects of the file's list, with the line on which each one begins.

    Raises DataError when the file is missing or is not a list as JSON in UTF-8.
    """
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
        elements = list(_elements(text))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: not a list of rows as JSON in UTF-8: {error}; is it the right file?"
        ) from None
    line = position = 0
    for number, (start, end, value) in enumerate(elements, 1):
        line, position = line + text.count("\n", position, start), start
        raw = text[start:end]
        if isinstance(value, dict):
            yield Entry(number, line + 1, raw, value, None)
        elif isinstance(value, RepeatedKey):
            yield Entry(number, line + 1, raw, None, f"key {value.key[:40]!r} is given twice")
        else:
            yield Entry(number, line + 1, raw, None, "not an object")


def _elements(text: str) -> Iterator[tuple[int, int, object]]:
    """Start, end and value of each element of a JSON list. Raises ValueError on other text."""
    decoder = json.JSONDecoder(object_pairs_hook=unique_keys)
    position = _skip_space(text, 0)
    if text[position : position + 1] != "[":
        raise ValueError("it does not begin with [")
    while text[position] != "]":
        start = _skip_space(text, position + 1)
        value, end = decoder.raw_decode(text, start)
        yield start, end, value
        position = _skip_space(text, end)
        if text[position : position + 1] not in (",", "]"):
            raise ValueError(f"expected a comma or the list's end at character {position}")
    if text[position + 1 :].strip():
        raise ValueError(f"more text after the list, at character {position + 1}")


def _skip_space(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\t", "\r", "\n"):
        position += 1
    return position


def campus_row(values: dict[str, Any], identity: str, origin: str) -> Row:
    """The row in one object of the file. Raises Malformed when it is invalid."""
    tags = {tag: joined_text(values.get(key), key) for tag, key in TAGS.items()}
    answers = {system: cell_text(values.get(key), key) for system, key in ANSWERS.items()}
    return Row(
        id=identity,
        question=required_text(values.get(QUESTION), QUESTION),
        contexts=parse_documents(values.get(CONTEXTS), CONTEXTS),
        tags={tag: text for tag, text in tags.items() if text},
        answers={system: text for system, text in answers.items() if text is not None},
        labels=cell_labels(values.get(LABEL), LABEL),
        comment=joined_text(values.get(COMMENT), COMMENT),
        follow_up=_follow_up(values),
        origin=origin,
    )


def _follow_up(values: dict[str, Any]) -> FollowUp | None:
    question = joined_text(values.get(FOLLOW_UP_QUESTION), FOLLOW_UP_QUESTION)
    answer = joined_text(values.get(FOLLOW_UP_ANSWER), FOLLOW_UP_ANSWER)
    contexts = parse_documents(values.get(FOLLOW_UP_CONTEXTS), FOLLOW_UP_CONTEXTS)
    if question is None and answer is None and not contexts:
        return None
    return FollowUp(question=question, answer=answer, contexts=contexts)


def parse_documents(value: object, name: str) -> tuple[Context, ...]:
    """The passages of `[Document(page_content='…', metadata={…}), …]`, parsed, never evaluated.

    Null, blank text, `[]` and "Источников нет" give no passages. Raises Malformed.
    """
    text = cell_text(value, name) if not isinstance(value, list) else str(value)
    if text is None or is_no_passage(text):
        return ()
    try:
        with warnings.catch_warnings():  # the parser warns about escapes in logged texts
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Malformed(f"{name}: not a list of documents") from None
    if not isinstance(tree, ast.List):
        raise Malformed(f"{name}: not a list of documents")
    passages = [_document(node, f"{name}[{index}]") for index, node in enumerate(tree.elts)]
    return tuple(passage for passage in passages if not is_no_passage(passage.text))


def _document(node: ast.expr, name: str) -> Context:
    if not isinstance(node, ast.Call):
        raise Malformed(f"{name}: not a document")
    parts = {keyword.arg: keyword.value for keyword in node.keywords}
    text = cell_text(_constant(parts.get("page_content")), f"{name}.page_content")
    if text is None:
        raise Malformed(f"{name}: a document without page_content")
    metadata = _constants(parts.get("metadata"))
    url = metadata.get("url") or metadata.get("source")
    return Context(text=text, url=cell_text(url, f"{name}.url"))


def _constant(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _constants(node: ast.expr | None) -> dict[object, object]:
    if not isinstance(node, ast.Dict):
        return {}
    pairs = zip(node.keys, node.values, strict=True)
    return {_constant(key): _constant(value) for key, value in pairs}
