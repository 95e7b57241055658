"""What people's labels mean: good, bad or off topic, by the field map or by our own two phrases.

A label counts as a whole, whatever its case, punctuation and spaces: "not good" is not "good". One
that means nothing known is kept, because rules may read it, and is listed.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from config.errors import ConfigError
from config.log_formats import LabelMap, LabelValue
from data.rows import PRODUCTION, LabelMeaning, Rating, Row
from data.words import fold_letters, split_words

_DEFAULTS: dict[str, LabelMeaning] = {
    "оба хорошо": "good",
    "both good": "good",
    "оба плохо": "bad",
    "both bad": "bad",
    "вопрос не по теме": "off_topic",
    "off topic": "off_topic",
}
_ALIASES = {"gigachat": "giga"}  # the campus chat-bot's label → the name of its system
_EMOJI_VARIANT = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")  # style, and tone of skin
_YAML_WORDS = {True: ("true", "yes", "on"), False: ("false", "no", "off")}  # YAML reads yes as true
_SHOWN = 20  # labels in a line


def read_rating(
    labels: Sequence[str] | None, label_map: LabelMap, systems: Iterable[str]
) -> Rating:
    """What the labels of a row mean by the map.

    They are of the systems that are no production system; of this one where the log has no other.
    """
    systems = tuple(systems)
    rivals = tuple(system for system in systems if system != PRODUCTION)
    meanings = _meanings(label_map)
    keyed = {label: meanings.get(label_key(label)) for label in labels or ()}
    known = {label: meaning for label, meaning in keyed.items() if meaning is not None}
    return Rating(meanings=known, systems=rivals or systems)


def is_mapped(text: str, label_map: LabelMap) -> bool:
    """Whether a cell as a whole is a label of the map."""
    return label_key(text) in _meanings(label_map)


def row_meanings(row: Row) -> frozenset[LabelMeaning]:
    """What the row's labels mean."""
    meanings = (_meaning(label, row.rating) for label in row.labels or ())
    return frozenset(meaning for meaning in meanings if meaning is not None)


def named_systems(label: str, systems: Iterable[str]) -> list[str]:
    """The systems whose names are whole words of a label; of `a` and `a b` the longer one."""
    words = [_ALIASES.get(word, word) for word in _words(label)]
    text = f" {' '.join(words)} "
    names = {system: f" {' '.join(_words(system))} " for system in systems}
    named = {system: name for system, name in names.items() if name.strip() and name in text}
    return [
        system
        for system, name in named.items()
        if not any(name != other and name in other for other in named.values())
    ]


class UnknownLabels:
    """Counts the labels that neither have a meaning nor name an answering system, row by row."""

    def __init__(self) -> None:
        self._systems: dict[str, None] = {}  # of all rows, in order
        self._counts: Counter[str] = Counter()

    def add(self, row: Row) -> None:
        """Counts the labels of one row."""
        self._systems.update(dict.fromkeys(row.answers))
        for label in row.labels or ():
            if _meaning(label, row.rating) is None:
                self._counts[label] += 1

    def counts(self) -> dict[str, int]:
        """Label → rows, the most frequent first."""
        systems = list(self._systems)
        return {
            label: count
            for label, count in self._counts.most_common()
            if not named_systems(label, systems)
        }


def unknown_labels(rows: Iterable[Row]) -> dict[str, int]:
    """Label that neither has a meaning nor names a system → rows, the most frequent first."""
    labels = UnknownLabels()
    for row in rows:
        labels.add(row)
    return labels.counts()


def unknown_labels_line(counts: Mapping[str, int]) -> str:
    """The labels that mean nothing known, and the setting that gives them a meaning."""
    shown = ", ".join(f"{label[:40]!r} {count}" for label, count in list(counts.items())[:_SHOWN])
    more = ", …" if len(counts) > _SHOWN else ""
    return (
        f"labels without a meaning, which only rules can read: {shown}{more}; what they say of the "
        "answers is set by data.*.fields.label_map: {good: […], bad: […], off_topic: […]}"
    )


def label_key(label: str) -> str:
    """Equal for labels that are one: 5 = 5.0 = "5", Good! = good, a thumb of any skin."""
    text = _EMOJI_VARIANT.sub("", label.strip())
    try:
        return repr(float(text))
    except ValueError:
        return " ".join(_words(text)) or text


def _words(text: str) -> list[str]:
    return split_words(fold_letters(text))


def _meaning(label: str, rating: Rating | None) -> LabelMeaning | None:
    mapped = None if rating is None else rating.meanings.get(label)
    return mapped or _DEFAULTS.get(label_key(label))


def _meanings(label_map: LabelMap) -> dict[str, LabelMeaning]:
    """Label key → meaning. Raises ConfigError when a label has two."""
    return _meanings_of(label_map.model_dump_json())


@cache  # by the text: True and 1 are equal and would share an entry
def _meanings_of(label_map: str) -> dict[str, LabelMeaning]:
    values = LabelMap.model_validate_json(label_map)
    labels: dict[LabelMeaning, tuple[LabelValue, ...]] = {
        "good": values.good,
        "bad": values.bad,
        "off_topic": values.off_topic,
    }
    meanings: dict[str, LabelMeaning] = {}
    for meaning, label in ((key, label) for key, group in labels.items() for label in group):
        spellings = _YAML_WORDS[label] if isinstance(label, bool) else (str(label),)
        for key in map(label_key, spellings):
            if meanings.setdefault(key, meaning) != meaning:
                raise ConfigError(
                    f"fields.label_map: {label!r} is {meanings[key]} and {meaning}; give it once"
                )
    return meanings
