"""Scores in exports of tracing tools: Langfuse's, LangSmith's feedback, Phoenix's annotations.

Reads what was given, by whom and of which name; `score_labels` says what it means.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from data.readers.conversation import structured

_OF_PEOPLE = frozenset(  # words of names under which applications send what their users say
    ("user", "users", "human", "customer", "expert", "reviewer", "annotator", "feedback", "thumb")
) | {"thumbs", "thumbsup"}
_IDS = "the export has only ids; export traces with their scores"
_OTHER_LISTS = frozenset(("input", "output", "observations", "tags", "traceTags", "comments"))
_PERSON, _PROGRAM = ("annotation", "app", "human"), ("eval", "model", "auto_eval", "llm", "code")


class TraceScore(NamedTuple):
    """One score of an answer."""

    name: str
    value: bool | float | str
    comment: str | None = None
    problem: str | None = None  # why it cannot be used, whoever gave it


def name_words(name: str) -> frozenset[str]:
    """The words of a score's name, in lower case: user-feedback, userFeedback, user_feedback."""
    spaced = re.sub("([a-z])([A-Z])", r"\1 \2", name)
    return frozenset(re.findall(r"[^\W\d_]+", spaced.lower()))


def langfuse_scores(values: Mapping[str, Any]) -> Iterator[TraceScore]:
    """The scores of a trace or an observation: whole ones, or lists of values by name.

    Exports of the tables have a column of such a list per score, without its source.
    """
    scores = structured(values.get("scores"))
    columns = scores if isinstance(scores, Mapping) else _score_columns(values)
    for name, listed in columns.items():
        for value in listed if isinstance(listed, list) else [listed]:
            yield from _score(name, value, None, None)
    for score in scores if isinstance(scores, list) else ():
        if isinstance(score, str):
            yield TraceScore("scores", "", problem=_IDS)
        elif isinstance(score, Mapping):
            yield from _score(
                score.get("name"), _langfuse_value(score), score.get("source"), score.get("comment")
            )


def _score_columns(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The columns of scores: lists of numbers, and of texts under a name that tells of people."""
    columns = {}
    for name, value in values.items():
        listed = None if name in _OTHER_LISTS else structured(value)
        if not isinstance(listed, list) or not listed:
            continue
        is_numeric = all(isinstance(part, int | float) for part in listed)
        if is_numeric or not _OF_PEOPLE.isdisjoint(name_words(name)):
            columns[name] = listed
    return columns


def _langfuse_value(score: Mapping[str, Any]) -> Any:
    value, text = score.get("value"), _first(score, ("stringValue", "string_value"))
    if _first(score, ("dataType", "data_type")) == "BOOLEAN" and value in (0, 1):
        return bool(value)
    return value if text is None else text


def langsmith_scores(values: Mapping[str, Any]) -> Iterator[TraceScore]:
    """The feedback of a run: whole, or its means by key."""
    feedback = structured(values.get("feedback"))
    for score in feedback if isinstance(feedback, list) else ():
        if isinstance(score, Mapping):
            source = structured(_first(score, ("feedback_source", "source")))
            kind = source.get("type") if isinstance(source, Mapping) else source
            value = _first(score, ("score", "value"))
            yield from _score(score.get("key"), value, kind, score.get("comment"))
    stats = structured(values.get("feedback_stats"))
    if isinstance(feedback, list) or not isinstance(stats, Mapping):
        return
    for key, counts in stats.items():
        if isinstance(counts, Mapping):
            texts = counts.get("values")
            is_text = isinstance(texts, Mapping) and len(texts) == 1
            value = (
                next(iter(texts)) if is_text and isinstance(texts, Mapping) else counts.get("avg")
            )
            yield from _score(key, value, None, None)


def phoenix_scores(values: Mapping[str, Any]) -> Iterator[TraceScore]:
    """The annotations of a span."""
    listed = structured(_first(values, ("annotations", "span_annotations", "spanAnnotations")))
    for score in listed if isinstance(listed, list) else ():
        if isinstance(score, Mapping):
            result = score.get("result")
            body = result if isinstance(result, Mapping) else score
            source = _first(score, ("annotator_kind", "annotatorKind"))
            value = _first(body, ("label", "score"))
            yield from _score(score.get("name"), value, source, body.get("explanation"))


def _first(values: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((values[key] for key in keys if values.get(key) not in (None, "")), None)


def _score(name: Any, value: Any, source: Any, comment: Any) -> Iterator[TraceScore]:
    """The score, if it has a name and a value. Without a source the name tells who gave it."""
    if not isinstance(name, str) or not isinstance(value, bool | int | float | str) or value == "":
        return
    kind = str(source or "").lower()
    by_name = not _OF_PEOPLE.isdisjoint(name_words(name))
    problem = None
    if kind in _PROGRAM:
        problem = "given by a program or a model"
    elif kind not in _PERSON and not by_name:
        problem = "nothing says that a person gave it"
    text = comment if isinstance(comment, str) and comment.strip() else None
    yield TraceScore(name[:40], value, text, problem)
