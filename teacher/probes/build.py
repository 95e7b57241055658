"""Probes: rows for rules that fewer training rows are due on than the floor.

Which kind of probe serves a rule is read off the rule's own conditions, or, where a model decides
when it is due, off the question that it is asked. Every probe differs from train, from the other
probes and from all that is held out.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from data.follow_ups import conversation_key
from data.near_duplicates import near_duplicates
from data.readers.logs import check_unique_ids
from data.records import Record
from data.rows import Row, question_key
from judge.checks.applicability import asks_model, compiled
from prompts.rules import RuleFile, ScoredRule, When
from teacher.probes.candidates import Candidate, Given, candidates
from teacher.probes.coverage import RuleCoverage, due_on


class ProbeCounts(Record):
    """What was made, and what was not."""

    floor: int
    made: dict[str, int]  # kind → rows
    written: int  # of them with a question that the model wrote
    refused: dict[str, int]  # why → candidates
    short: dict[str, int]  # rule, or kind that tries every rule → rows that it lacks
    unserved: tuple[str, ...]  # rules that only a model can say are due, and no kind is for


class Probes(NamedTuple):
    """The probes of a run."""

    rows: tuple[Row, ...]
    counts: ProbeCounts


def make_probes(given: Given, rules: RuleFile, written: Mapping[str, Sequence[str]]) -> Probes:
    """The probes that lift every rule to the floor, as far as the questions reach.

    written: questions of the model's own by kind. Raises DataError when a train row has the id of a
    probe.
    """
    settings = given.config.probes
    assert settings is not None  # the caller asks for probes
    choice = _Choice(given, candidates(given, written))
    short: dict[str, int] = {}
    for name, kind in given.bank.kinds.items():
        if kind.every_rule:
            short[name] = choice.take([name], settings.floor, lambda row: True)
    unserved = []
    for due in rules.scored_rules():
        if asks_model(due.rule):
            kinds = [name for name in given.bank.kinds if _asked(given, name, due)]
            have = sum(choice.made[name] for name in kinds)
            if not kinds and not due.converse:
                unserved.append(due.id)
            missing = choice.take(kinds, settings.floor - have, lambda row: True) if kinds else 0
        else:
            have = sum(due_on(due, row) is True for row in (*given.train, *choice.rows))
            missing = choice.take(list(given.bank.kinds), settings.floor - have, _is_due(due))
        short[due.id] = missing
    check_unique_ids([*given.train, *given.held_out, *choice.rows], "train with its probes")
    counts = ProbeCounts(
        floor=settings.floor,
        made=dict(choice.made),
        written=sum(row.origin == "model" for row in choice.rows),
        refused=dict(choice.refused),
        short={name: lack for name, lack in short.items() if lack > 0},
        unserved=tuple(unserved),
    )
    return Probes(tuple(choice.rows), counts)


def lines(probes: Probes, covered: Mapping[str, RuleCoverage]) -> list[str]:
    """What a person is told: the coverage of each rule, and what was made of which kind."""
    counts, told = probes.counts, []
    for rule, one in covered.items():
        known = "only a model can say" if one.logged is None else f"{one.logged} + {one.probes}"
        lacks = f", {counts.short[rule]} short of {counts.floor}" if rule in counts.short else ""
        unlabelled = f", {one.unknown} unlabelled" if one.logged is not None and one.unknown else ""
        told.append(f"{rule:<24} due on {known}{unlabelled}{lacks}")
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.made.items())
    refused = ", ".join(f"{count} {why}" for why, count in counts.refused.items())
    told.append(f"probes: {kinds or 'none needed'}; {counts.written} by the model")
    told.append(f"questions not taken: {refused or 'none'}")
    if counts.unserved:
        told.append(f"no kind of probe is for: {', '.join(counts.unserved)}")
    return told


def _asked(given: Given, kind: str, due: ScoredRule) -> bool:
    """Whether the kind is for what the rule asks a model."""
    pattern, when = given.bank.kinds[kind].asked, due.rule.applies
    if pattern is None or due.converse or not isinstance(when, When) or when.llm is None:
        return False
    return bool(compiled(pattern.casefold()).search(when.llm.casefold()))


def _is_due(due: ScoredRule) -> Callable[[Row], bool]:
    return lambda row: due_on(due, row) is True


class _Choice:
    """Takes candidates that are like nothing else, kind after kind in turn."""

    def __init__(self, given: Given, found: Mapping[str, Sequence[Candidate]]) -> None:
        self._tags = given.prompt.tags
        self.rows: list[Row] = []
        self.made: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        everyone = [one for some in found.values() for one in some]
        near = given.config.data.near_duplicate
        self._held = _near(everyone, given.held_out, near)
        new = [one for one in everyone if not one.asked_before]
        self._train = _near(new, given.train, near)
        self._alike: dict[str, set[str]] = defaultdict(set)
        keys = {question_key(one.row) for one in new}
        for key, match, _ in near_duplicates(keys, keys, near):
            self._alike[key].add(match)
        self._said = {self._shown(row) for row in given.train}
        self._keys: set[str] = set()
        self._left = {kind: self._fresh(some) for kind, some in found.items()}

    def take(self, kinds: Sequence[str], count: int, wanted: Callable[[Row], bool]) -> int:
        """Takes `count` rows that are wanted, the kinds in turn; returns how many are lacking."""
        waiting = [kind for kind in kinds if self._left[kind]]
        while waiting and count > 0:
            kind = waiting.pop(0)
            if self._take_one(kind, wanted):
                count -= 1
                waiting.append(kind)
        return max(count, 0)

    def _take_one(self, kind: str, wanted: Callable[[Row], bool]) -> bool:
        left = self._left[kind]
        for one in [one for one in left if wanted(one.row)]:
            left.remove(one)
            if self._repeats(one):
                self.refused["repeated"] += 1
                continue
            self._said.add(self._shown(one.row))
            if not one.asked_before:
                self._keys.add(question_key(one.row))
            self.rows.append(one.row)
            self.made[kind] += 1
            return True
        return False

    def _fresh(self, some: Iterable[Candidate]) -> list[Candidate]:
        """Those that are near nothing in train, unless on purpose, and nothing held out."""
        fresh = []
        for one in some:
            key = question_key(one.row)
            if key in self._held:
                self.refused["near_held_out"] += 1
            elif not one.asked_before and key in self._train:
                self.refused["near_train"] += 1
            else:
                fresh.append(one)
        return fresh

    def _repeats(self, one: Candidate) -> bool:
        if self._shown(one.row) in self._said:
            return True
        key = question_key(one.row)
        return not one.asked_before and bool(self._alike[key] & self._keys)

    def _shown(self, row: Row) -> tuple[object, ...]:
        return conversation_key(row), tuple(row.tags.get(tag) for tag in self._tags)


def _near(some: Sequence[Candidate], rows: Sequence[Row], near: float) -> set[str]:
    """The candidates' question keys that are near one of the rows'."""
    keys = {question_key(one.row) for one in some}
    return {key for key, _, _ in near_duplicates(keys, {question_key(row) for row in rows}, near)}
