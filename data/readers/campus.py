"""Reader of the campus chat-bot's JSON, and of its hidden set without answers and labels.

Knows the Russian keys, and the Python repr in which retrieved documents were logged.
"""

from typing import Any

from config.log_formats import FieldMap
from data.readers.cells import (
    Malformed,
    cell_labels,
    cell_text,
    is_no_passage,
    joined_text,
    required_text,
)
from data.readers.nested_text import nested_value
from data.readers.passages import cell_contexts
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
FIELDS = FieldMap(
    question=QUESTION, contexts=CONTEXTS, labels=LABEL, comment=COMMENT, answers=ANSWERS, tags=TAGS
)
FOLLOW_UP_QUESTION = "Уточненный вопрос пользователя"
FOLLOW_UP_ANSWER = "Ответ AI (уточнение)"
FOLLOW_UP_CONTEXTS = "Ресурсы для ответа (уточнение)"


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
    documents = nested_value(text)
    if not isinstance(documents, list):
        raise Malformed(f"{name}: not a list of documents")
    for index, document in enumerate(documents):
        text = document.get("page_content") if isinstance(document, dict) else None
        if not isinstance(text, str):
            raise Malformed(f"{name}[{index}]: not a document with page_content")
    return cell_contexts(documents, name)
