"""The rows that probes are chosen from: the bank's questions, with passages, tags and labels.

A plain row is a logged train row that carries none of the bank's labels or comments: its question
can be answered, as far as anybody said. A question of its own gets the passages of a plain row that
have the fewest words in common with it, so that they do not answer it.
"""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from config.errors import ConfigError
from config.schema import Config
from data.rows import Row, normalise_question
from judge.checks.text import language_of
from prompts.probe_bank import SLOT, ProbeBank, ProbeKind, bank_path, load_probe_bank
from prompts.prompt_file import Prompt

_COMPARED = 12  # rows whose passages are looked at, for one whose passages are of something else
_SPARE = 3  # times the floor: candidates of questions with a slot, for some will be refused
_STEM = 5  # letters by which two forms of a word are taken for the same


class Given(NamedTuple):
    """What probes are made of and held against."""

    config: Config
    prompt: Prompt
    bank: ProbeBank
    train: Sequence[Row]
    held_out: Sequence[Row]  # val and hidden


def given_of(
    config: Config, prompt: Prompt, train: Sequence[Row], held_out: Sequence[Row]
) -> Given:
    """With the bank of the settings. Raises ConfigError when no probes are asked for."""
    if config.probes is None:
        raise ConfigError("probes is not set; add `probes: {}` to the config to have them made")
    bank = load_probe_bank(bank_path(config.probes.bank, language_of(prompt.system)))
    return Given(config, prompt, bank, train, held_out)


class Candidate(NamedTuple):
    """A row that may become a probe."""

    row: Row
    asked_before: bool  # its question is a train row's on purpose, with other passages or tags


def candidates(given: Given, written: Mapping[str, Sequence[str]]) -> dict[str, list[Candidate]]:
    """Kind → its candidates in the order in which they are taken: the model's questions first.

    A question with a slot takes the plain rows in turn, and each of them once at least.
    """
    return {
        name: _Maker(given, name).made(written.get(name, ())) for name in sorted(given.bank.kinds)
    }


def plain(given: Given) -> list[Row]:
    """The rows that carry nothing by which probes are known, second turns aside."""
    labels, comments = given.bank.marks
    return [
        row
        for row in given.train
        if not labels & set(row.labels or ())
        and not any(mark in (row.comment or "") for mark in comments)
        and not row.history
    ]


class _Maker:
    """Makes the candidates of one kind."""

    def __init__(self, given: Given, name: str) -> None:
        self.name = name
        self.kind: ProbeKind = given.bank.kinds[name]
        self.tags = given.prompt.tags
        assert given.config.probes is not None  # the caller asks for probes
        self._wanted = _SPARE * given.config.probes.floor
        self._rng = random.Random(f"{given.config.seed} {name}")
        self._plain = sorted(plain(given), key=lambda row: row.id)
        self._rng.shuffle(self._plain)

    def made(self, written: Sequence[str]) -> list[Candidate]:
        """One candidate per question, and of questions with a slot one per plain row as well."""
        texts = [(text, "model") for text in written]
        texts += [(text, "bank") for text in self.kind.questions]
        rows = self._plain
        if not rows:
            return []
        slots = any(SLOT in text for text, _ in texts)
        count = max(len(texts), len(rows), self._wanted) if slots else len(texts)
        made = []
        for number in range(count):
            at = number + number // len(rows)  # one row further each time: other pairs
            made.append(self._candidate(number, *texts[number % len(texts)], rows[at % len(rows)]))
        return made

    def _candidate(self, number: int, text: str, by: str, source: Row) -> Candidate:
        kind, question = self.kind, text.replace(SLOT, source.question)
        unmarked = not kind.labels and kind.comment is None
        own = kind.contexts == "own"
        row = Row(
            id=f"probe-{self.name}-{number:04d}",
            question=question,
            contexts=source.contexts if own else self._another(question, source).contexts,
            tags=self._tags(source),
            labels=None if SLOT in text and unmarked and source.labels is None else kind.labels,
            comment=kind.comment,
            origin=f"{by}, {source.id}" if SLOT in text else by,
            synthetic=self.name,
        )
        return Candidate(row, asked_before=text.strip() == SLOT)

    def _another(self, question: str, source: Row) -> Row:
        """Of a few plain rows, the one whose passages say least of what the question asks."""
        others = [row for row in self._plain if row.id != source.id and row.contexts]
        tried = self._rng.sample(others, min(_COMPARED, len(others)))
        asked = _stems(question)
        return min(tried, key=lambda row: len(asked & _passage_stems(row)), default=source)

    def _tags(self, source: Row) -> dict[str, str]:
        if not self.kind.flip_tags:
            return source.tags
        other = self._rng.choice(self._plain)
        return {**source.tags, **{tag: other.tags[tag] for tag in self.tags if tag in other.tags}}


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in normalise_question(text).split() if len(word) > 3}


def _passage_stems(row: Row) -> set[str]:
    return set().union(*(_stems(context.text) for context in row.contexts))
