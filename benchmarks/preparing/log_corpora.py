"""Made-up logs of any size: seeded, with words as frequent as in a language."""

import json
import random
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from config.log_formats import CampusLogs, FieldMap, MappedLogs, TableLogs
from data.readers import campus

Questions = Literal["varied", "templated"]
LogForm = Literal["jsonl", "list", "parquet", "campus"]

FORMS: tuple[LogForm, ...] = get_args(LogForm)
_VOCABULARY = 30_000  # words
_LETTERS = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъ"  # the most frequent first
# Most words of a question come from one of four texts, so that many questions are near duplicates.
_TEMPLATES = (
    "Как записаться на курс {} {} в {} семестре?",
    "Где найти расписание группы {} {} на {}?",
    "Когда будет пересдача по {} {} у преподавателя {}?",
    "Сколько стоит {} {} для студентов {}?",
)
_FIELDS = FieldMap(
    question="question", id="id", contexts="contexts", answers={"bot": "answer"}, labels="label"
)


class LogCorpus:
    """Rows of about 900 bytes: a question of 4 to 14 words, two passages of 12, an answer of 20."""

    def __init__(self, questions: Questions, rows: int) -> None:
        self.rows = rows
        self._questions = questions
        self._rng = random.Random(1)
        letters = [1 / (rank + 2) for rank in range(len(_LETTERS))]
        self._vocabulary = [
            "".join(self._rng.choices(_LETTERS, letters, k=self._rng.randint(2, 11)))
            for _ in range(_VOCABULARY)
        ]
        self._weights = list(accumulate(1 / rank for rank in range(1, _VOCABULARY + 1)))  # Zipf

    def write(self, path: Path, form: LogForm) -> MappedLogs:
        """Writes the corpus as one file; returns the settings that read it."""
        _WRITERS[form](self._records(), path)
        if form == "campus":
            return CampusLogs(path=str(path))
        return TableLogs(path=str(path), fields=_FIELDS)

    def _words(self, count: int) -> str:
        return " ".join(self._rng.choices(self._vocabulary, cum_weights=self._weights, k=count))

    def _question(self) -> str:
        if self._questions == "varied":
            return self._words(self._rng.randint(4, 14)) + "?"
        return self._rng.choice(_TEMPLATES).format(*self._words(3).split())

    def _records(self) -> Iterator[dict[str, Any]]:
        for number in range(self.rows):
            yield {
                "id": f"r{number}",
                "question": self._question(),
                "contexts": [self._words(12), self._words(12)],
                "answer": self._words(20) + ".",
                "label": "good",
            }


def _write_jsonl(records: Iterator[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _write_list(records: Iterator[dict[str, Any]], path: Path) -> None:
    """One line, as `json.dump` writes it."""
    with path.open("w", encoding="utf-8") as file:
        for number, record in enumerate(records):
            file.write((", " if number else "[") + json.dumps(record, ensure_ascii=False))
        file.write("]")


def _write_parquet(records: Iterator[dict[str, Any]], path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(list(records)), path)


def _write_campus(records: Iterator[dict[str, Any]], path: Path) -> None:
    _write_list(map(_campus_record, records), path)


def _campus_record(record: dict[str, Any]) -> dict[str, Any]:
    passages = [
        f"Document(page_content={text!r}, metadata={{'source': 'https://example.org/{number}'}})"
        for number, text in enumerate(record["contexts"])
    ]
    return {
        campus.QUESTION: record["question"],
        campus.CONTEXTS: f"[{', '.join(passages)}]",
        campus.ANSWERS["production"]: record["answer"],
        campus.LABEL: None,
    }


_WRITERS: dict[LogForm, Callable[[Iterator[dict[str, Any]], Path], None]] = {
    "jsonl": _write_jsonl,
    "list": _write_list,
    "parquet": _write_parquet,
    "campus": _write_campus,
}
