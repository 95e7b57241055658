"""What people's scores in an export say of an answer: labels of its row, good or bad.

A score is used where its meaning is certain: a usual word, or yes and no under a name that praises.
All others are counted with the reason.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from data.label_meaning import label_key
from data.readers.cells import Malformed, checked_text
from data.readers.conversation_rows import ConversationRows
from data.readers.trace_scores import TraceScore, name_words
from data.rows import PRODUCTION, LabelMeaning, Rating

_GOOD = (
    "good",
    "correct",
    "helpful",
    "useful",
    "accurate",
    "thumbs up",
    "👍",
    "accepted",
    "approved",
)
_BAD = ("bad", "incorrect", "wrong", "unhelpful", "useless", "inaccurate", "thumbs down", "👎")
_MEANINGS: dict[str, LabelMeaning] = {
    **dict.fromkeys(map(label_key, (*_GOOD, "хорошо", "верно", "полезно")), "good"),
    **dict.fromkeys(map(label_key, (*_BAD, "not helpful", "rejected", "плохо", "неверно")), "bad"),
}
_YES_NO = {"true": True, "yes": True, "да": True, "false": False, "no": False, "нет": False}
_THUMBS = frozenset(("thumb", "thumbs", "thumbsup", "like", "liked"))
_PRAISE = _THUMBS | {  # words in the name of a score under which yes and 1 mean a good answer
    *("feedback", "helpful", "helpfulness", "useful", "usefulness", "correct", "correctness"),
    *("accuracy", "quality", "good", "accepted", "score", "rating"),
}
_BLAME = frozenset(("not", "bad", "negative", "error", "down", "incorrect", "wrong", "issue"))

_LONGEST = 100  # characters of a label


class ScoreLabels:
    """Labels of the rows of one file."""

    def __init__(
        self,
        scores: Callable[[Mapping[str, Any]], Iterable[TraceScore]],
        head: Iterable[Mapping[str, Any]],
    ) -> None:
        """head: the first records, whose numbers tell which scores are 0 or 1."""
        self._scores = scores
        numbers = defaultdict[str, set[float]](set)
        for record in head:
            for score in scores(record):
                if isinstance(score.value, int | float) and not isinstance(score.value, bool):
                    numbers[score.name].add(float(score.value))
        self._binary = {name for name, values in numbers.items() if _is_binary(name, values)}

    def labelled(
        self, parts: Sequence[ConversationRows | Malformed], record: Mapping[str, Any]
    ) -> list[ConversationRows | Malformed]:
        """The rows of a record with its labels, and with the scores that were not used.

        Scores belong to one answer: a record of several is not labelled.
        """
        first = next((part for part in parts if isinstance(part, ConversationRows)), None)
        if first is None:
            return list(parts)
        has_answer = len(parts) == len(first.rows) == 1 and bool(first.rows[0].answers)
        labelled = self._with_labels(first, has_answer, record)
        return [labelled if part is first else part for part in parts]

    def _with_labels(
        self, rows: ConversationRows, has_answer: bool, record: Mapping[str, Any]
    ) -> ConversationRows:
        labels: dict[str, LabelMeaning | None] = {}
        comments, unused = list[str](), list[str]()
        for score in self._scores(record):
            reason = self._refusal(score, has_answer)
            if reason is not None:
                unused.append(f"score {score.name!r}: {reason}")
                continue
            labels[_label(score)] = self._meaning(score)
            comments += [score.comment] if score.comment else []
        rows = rows._replace(left_out=(*rows.left_out, *unused))
        if not labels:
            return rows
        meanings = {label: meaning for label, meaning in labels.items() if meaning is not None}
        update = {
            "labels": tuple(labels),
            "rating": Rating(meanings=meanings, systems=(PRODUCTION,)),
            "comment": "; ".join(comments) or None,
        }
        return rows._replace(rows=(rows.rows[0].model_copy(update=update),))

    def _refusal(self, score: TraceScore, has_answer: bool) -> str | None:
        """Why a score is not used."""
        if score.problem is not None:
            return score.problem
        if not has_answer:
            return "of no single answer"
        if isinstance(score.value, str) and len(score.value) > _LONGEST:
            return "a text, no label"
        try:
            checked_text(f"{_label(score)}{score.comment or ''}", "score")
        except Malformed as error:
            return str(error).removeprefix("score: ")
        if isinstance(score.value, str) or self._meaning(score) is not None:
            return None
        is_yes_no = score.name in self._binary and score.value in (0, 1)
        if isinstance(score.value, bool) or is_yes_no:
            return "its name does not say whether yes is good"
        return "a number on an unknown scale; give the logs as a table with fields.label_map"

    def _meaning(self, score: TraceScore) -> LabelMeaning | None:
        value = score.value
        if isinstance(value, str):
            word = label_key(value)
            if word in _MEANINGS:
                return _MEANINGS[word]
            value = _YES_NO.get(word, word)
        elif not isinstance(value, bool):
            if score.name not in self._binary or value not in (0, 1):
                return None
            value = bool(value)
        if isinstance(value, str) or not _praises(score.name):
            return None
        return "good" if value else "bad"


def _is_binary(name: str, values: set[float]) -> bool:
    """Whether numbers are yes and no: 0 is on no scale of stars, and a lone 1 may be."""
    return values <= {0.0, 1.0} and (0.0 in values or not name_words(name).isdisjoint(_THUMBS))


def _label(score: TraceScore) -> str:
    """The label as rules see it: a text as it is, a number with the name of its score."""
    if isinstance(score.value, str):
        return score.value.strip()
    return f"{score.name}: {score.value:g}"


def _praises(name: str) -> bool:
    words = name_words(name)
    return words.isdisjoint(_BLAME) and not words.isdisjoint(_PRAISE)
