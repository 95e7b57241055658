"""Which column of a table is the question."""

from typing import Any

import pytest

from data.readers.log_columns import known_fields


@pytest.mark.parametrize(
    ("record", "question"),
    [
        ({"user": "Who?", "assistant": "I."}, "user"),
        ({"user": "u-17", "text": "Who?", "answer": "I."}, None),  # an id, not a question
        ({"user": "u-17", "query": "Who?", "assistant": "I."}, "query"),
        ({" Question ": "Who?", "question": "What?"}, " Question "),  # the first of equal names
    ],
)
def test_the_question_of_a_table(record: dict[str, Any], question: str | None) -> None:
    fields = known_fields(record)
    assert (fields and fields.question) == question
