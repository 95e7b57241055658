"""Probe candidates: the bank's questions with passages, tags and labels.

An unmarked row is a logged train row with none of the bank's labels or comments: as far as anybody
noted, its question can be answered. A question of the bank's own gets the passages of the unmarked
row that share the fewest words with it, so that they do not answer it.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from config.errors import ConfigError
from config.generation import ProbeSettings
from config.schema import Config
from data.rows import Context, Row, normalise_question
from data.words import is_character
from judge.checks.text import language_of
from judge.labels import best_logged
from prompts.probe_bank import SLOT, ProbeBank, load_probe_bank
from prompts.prompt_file import Prompt

_COMPARED_ROWS = 12  # rows whose passages are compared with a question
_CANDIDATES_PER_PROBE = 3  # for questions with a slot: some candidates will be rejected
_STEM = 5  # first letters that two forms of a word share


class ProbeSources(NamedTuple):
    """What probes are made from, and the rows that they must differ from."""

    config: Config
    settings: ProbeSettings
    prompt: Prompt
    bank: ProbeBank
    train: Sequence[Row]
    held_out: Sequence[Row]  # val and hidden


def load_probe_sources(
    config: Config, prompt: Prompt, train: Sequence[Row], held_out: Sequence[Row]
) -> ProbeSources:
    """The sources with the bank of the settings. Raises ConfigError when `probes` is not set."""
    if config.probes is None:
        raise ConfigError("probes is not set; add `probes: {}` to the config to have them made")
    bank = load_probe_bank(config.probes.bank, language_of(prompt.system))
    return ProbeSources(config, config.probes, prompt, bank, train, held_out)


class ProbeCandidate(NamedTuple):
    """A row that may become a probe."""

    row: Row
    repeats_train: bool  # it asks a train row's question on purpose, with other passages or tags


def probe_candidates(
    sources: ProbeSources, generated: Mapping[str, Sequence[str]]
) -> dict[str, list[ProbeCandidate]]:
    """Kind → its candidates in the order of preference: generated questions first.

    A question with a slot gets one candidate per unmarked row at least.
    """
    return {
        kind: _CandidateBuilder(sources, kind).candidates(generated.get(kind, ()))
        for kind in sorted(sources.bank.kinds)
    }


def unmarked_rows(sources: ProbeSources) -> list[Row]:
    """The train rows without the bank's labels and comments, and without a history."""
    labels, comments = sources.bank.marks
    return [
        row
        for row in sources.train
        if not labels & set(row.labels or ())
        and not any(comment in (row.comment or "") for comment in comments)
        and not row.history
    ]


class _CandidateBuilder:
    """Builds the candidates of one kind."""

    def __init__(self, sources: ProbeSources, name: str) -> None:
        self._name = name
        self._kind = sources.bank.kinds[name]
        self._prompt_tags = sources.prompt.tags
        self._wanted = _CANDIDATES_PER_PROBE * sources.settings.floor
        self._rng = random.Random(f"{sources.config.seed} {name}")
        self._rows = sorted(unmarked_rows(sources), key=lambda row: row.id)
        self._rng.shuffle(self._rows)

    def candidates(self, generated: Sequence[str]) -> list[ProbeCandidate]:
        """One candidate per question; with slots, one per unmarked row as well."""
        questions = [(text, "model") for text in generated]
        questions += [(text, "bank") for text in self._kind.questions]
        rows = self._rows
        if self._kind.contexts == "rest":
            rows = [row for row in rows if _answering(row) is not None]
        if not rows:
            return []
        has_slot = any(SLOT in text for text, _ in questions)
        count = max(len(questions), len(rows), self._wanted) if has_slot else len(questions)
        candidates = []
        for number in range(count):
            text, author = questions[number % len(questions)]
            place = number + number // len(rows)  # one row further each time, for new pairs
            candidates.append(self._candidate(number, text, author, rows[place % len(rows)]))
        return candidates

    def _candidate(self, number: int, text: str, author: str, source: Row) -> ProbeCandidate:
        kind, question, has_slot = self._kind, text.replace(SLOT, source.question), SLOT in text
        marks_nothing = not kind.labels and kind.comment is None
        stays_unlabelled = has_slot and marks_nothing and source.labels is None
        tags = source.tags
        if kind.flip_tags:
            other = self._rng.choice(self._rows).tags
            tags = tags | {tag: other[tag] for tag in self._prompt_tags if tag in other}
        row = Row(
            id=f"probe-{self._name}-{number:04d}",
            question=question,
            contexts=self._passages(question, source),
            tags=tags,
            labels=None if stays_unlabelled else kind.labels,
            comment=kind.comment,
            origin=f"{author}, {source.id}" if has_slot else author,
            synthetic=self._name,
        )
        return ProbeCandidate(row, repeats_train=text.strip() == SLOT)

    def _passages(self, question: str, source: Row) -> tuple[Context, ...]:
        if self._kind.contexts == "own":
            return source.contexts
        if self._kind.contexts == "rest":
            return _without_answer(source)
        return self._unrelated(question, source).contexts

    def _unrelated(self, question: str, source: Row) -> Row:
        """Of a few unmarked rows, the one whose passages share the fewest words with a question."""
        others = [row for row in self._rows if row.id != source.id and row.contexts]
        compared = self._rng.sample(others, min(_COMPARED_ROWS, len(others)))
        stems = _stems(question)
        return min(
            compared, key=lambda row: len(stems & _passage_stems(row.contexts)), default=source
        )


def _without_answer(row: Row) -> tuple[Context, ...]:
    answering = _answering(row)
    return tuple(context for place, context in enumerate(row.contexts) if place != answering)


def _answering(row: Row) -> int | None:
    """The place of the passage that seems to hold the answer: it shares the most words with the
    question and the good answers, and any other at most half as many. None: none stands out."""
    known = _stems(" ".join((row.question, *best_logged(row))))
    shared = [len(known & _passage_stems([context])) for context in row.contexts]
    if len(shared) < 2:
        return None
    second, most = sorted(shared)[-2:]
    return shared.index(most) if 2 * second <= most > 0 else None


def _stems(text: str) -> set[str]:
    words = normalise_question(text).split()
    return {word[:_STEM] for word in words if len(word) > 3 or is_character(word)}


def _passage_stems(contexts: Iterable[Context]) -> set[str]:
    return set().union(*(_stems(context.text) for context in contexts))
