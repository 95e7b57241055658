"""Columns of tables that are known by their usual names, in English and Russian."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from config.log_formats import FieldMap
from data.rows import PRODUCTION

QUESTION_NAMES = (
    *("question", "user_question", "query", "user_query", "user_input", "user_message"),
    *("instruction", "prompt", "input", "message", "request", "вопрос"),
    *("вопрос_пользователя", "запрос", "запрос_пользователя", "обращение", "сообщение"),
)
ANSWER_NAMES = (
    *("answer", "response", "output", "completion", "reply", "assistant", "bot", "bot_answer"),
    *("model_answer", "ai_answer", "llm_answer", "generated_text", "prediction", "ответ"),
    *("ответ_ai", "ответ_ии", "ответ_бота", "ответ_модели", "ответ_ассистента"),
)
CONTEXT_NAMES = (
    *("contexts", "context", "passages", "documents", "docs", "sources", "retrieved_contexts"),
    *("retrieved_documents", "retrieval_context", "reference_contexts", "chunks", "summaries"),
    *("контекст", "контексты", "источники", "документы", "ресурсы_для_ответа"),
)


def named_column(columns: Iterable[str], names: Iterable[str]) -> str | None:
    """The column with the first of these names; case and punctuation do not count."""
    plain: dict[str, str] = {}
    for column in columns:
        plain.setdefault(_plain(column), column)
    return next((plain[name] for name in names if name in plain), None)


def known_fields(record: Mapping[str, Any]) -> FieldMap | None:
    """The field map of a record with usual column names; None without a question."""
    question = named_column(record, QUESTION_NAMES)
    if question is None and named_column(record, ("assistant", "bot")) is not None:
        question = named_column(record, ("user",))  # elsewhere an id of the user
    if question is None or isinstance(record[question], list | dict):
        return None
    answer = named_column(record, ANSWER_NAMES)
    contexts = named_column(record, CONTEXT_NAMES)
    if contexts is None and _plain(question) == "instruction":  # Alpaca's
        contexts = named_column(record, ("input",))
    return FieldMap(
        question=question, answers={} if answer is None else {PRODUCTION: answer}, contexts=contexts
    )


def _plain(column: object) -> str:
    return re.sub(r"[\W_]+", "_", str(column).strip().casefold()).strip("_")
