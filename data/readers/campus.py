"""Reads the campus chat-bot's JSON, and its hidden set: the same keys less answers and labels.

Knows the Russian keys and the Python repr in which the retrieved documents were logged.
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
    joined_text,
    labels_of,
    required_text,
    says_nothing,
    text_of,
)
from data.readers.tables import Entry, RepeatedKey, keyed_once, read_bytes
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
FOLLOWUP_QUESTION = "Уточненный вопрос пользователя"
FOLLOWUP_ANSWER = "Ответ AI (уточнение)"
FOLLOWUP_CONTEXTS = "Ресурсы для ответа (уточнение)"


def read_campus(path: Path) -> Iterator[Entry]:
    """The objects of the file's list, each with the line that it begins on.

    Raises DataError when the file is missing, is not JSON in UTF-8, or holds no list of rows.
    """
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
        found = list(_elements(text))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: not a list of rows as JSON in UTF-8: {error}; is it the right file?"
        ) from None
    line, counted = 1, 0
    for number, (begins, ends, value) in enumerate(found, 1):
        line, counted = line + text.count("\n", counted, begins), begins
        raw = text[begins:ends]
        if isinstance(value, dict):
            yield Entry(number, line, raw, value, None)
        elif isinstance(value, RepeatedKey):
            yield Entry(number, line, raw, None, f"key {value.key[:40]!r} is given twice")
        else:
            yield Entry(number, line, raw, None, "not an object")


def _elements(text: str) -> Iterator[tuple[int, int, object]]:
    """Begin, end and value of each element of a JSON list. Raises ValueError when it is none."""
    decoder = json.JSONDecoder(object_pairs_hook=keyed_once)
    at = _skip_space(text, 0)
    if text[at : at + 1] != "[":
        raise ValueError("it does not begin with [")
    while text[at] != "]":
        begins = _skip_space(text, at + 1)
        value, ends = decoder.raw_decode(text, begins)
        yield begins, ends, value
        at = _skip_space(text, ends)
        if text[at : at + 1] not in (",", "]"):
            raise ValueError(f"expected a comma or the list's end at character {at}")
    if text[at + 1 :].strip():
        raise ValueError(f"more text after the list, at character {at + 1}")


def _skip_space(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def campus_row(values: dict[str, Any], identity: str, origin: str) -> Row:
    """The row in one object of the file. Raises Malformed when it cannot be one."""
    tags = {tag: joined_text(values.get(key), key) for tag, key in TAGS.items()}
    answers = {system: text_of(values.get(key), key) for system, key in ANSWERS.items()}
    return Row(
        id=identity,
        question=required_text(values.get(QUESTION), QUESTION),
        contexts=documents(values.get(CONTEXTS), CONTEXTS),
        tags={tag: text for tag, text in tags.items() if text},
        answers={system: text for system, text in answers.items() if text is not None},
        labels=labels_of(values.get(LABEL), LABEL),
        comment=joined_text(values.get(COMMENT), COMMENT),
        followup=_followup(values),
        origin=origin,
    )


def _followup(values: dict[str, Any]) -> FollowUp | None:
    question = joined_text(values.get(FOLLOWUP_QUESTION), FOLLOWUP_QUESTION)
    answer = joined_text(values.get(FOLLOWUP_ANSWER), FOLLOWUP_ANSWER)
    contexts = documents(values.get(FOLLOWUP_CONTEXTS), FOLLOWUP_CONTEXTS)
    if question is None and answer is None and not contexts:
        return None
    return FollowUp(question=question, answer=answer, contexts=contexts)


def documents(value: object, name: str) -> tuple[Context, ...]:
    """Passages of `[Document(page_content='…', metadata={…}), …]`, parsed and never evaluated.

    Null, blank, `[]` and "Источников нет" are no passages. Raises Malformed.
    """
    text = text_of(value, name) if not isinstance(value, list) else str(value)
    if text is None or says_nothing(text):
        return ()
    try:
        with warnings.catch_warnings():  # the parser warns about escapes inside logged texts
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Malformed(f"{name}: not a list of documents") from None
    if not isinstance(tree, ast.List):
        raise Malformed(f"{name}: not a list of documents")
    passages = [_document(node, f"{name}[{place}]") for place, node in enumerate(tree.elts)]
    return tuple(passage for passage in passages if not says_nothing(passage.text))


def _document(node: ast.expr, name: str) -> Context:
    if not isinstance(node, ast.Call):
        raise Malformed(f"{name}: not a document")
    parts = {keyword.arg: keyword.value for keyword in node.keywords}
    text = text_of(_constant(parts.get("page_content")), f"{name}.page_content")
    if text is None:
        raise Malformed(f"{name}: a document without page_content")
    metadata = _constants(parts.get("metadata"))
    url = metadata.get("url") or metadata.get("source")
    return Context(text=text, url=text_of(url, f"{name}.url"))


def _constant(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _constants(node: ast.expr | None) -> dict[object, object]:
    if not isinstance(node, ast.Dict):
        return {}
    pairs = zip(node.keys, node.values, strict=True)
    return {_constant(key): _constant(value) for key, value in pairs}
