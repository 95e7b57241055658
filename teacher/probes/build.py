"""Coverage of each rule, and probes: rows for rules scored on fewer training rows than the floor.

The kind of probe that serves a rule follows from the rule's conditions or, where a model decides
whether it applies, from the question that the model is asked. Every probe differs from train, from
the other probes and from all held-out rows.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from data.follow_ups import conversation_key
from data.near_duplicates import near_duplicates
from data.readers.logs import check_unique_ids
from data.records import Record
from data.rows import Row, question_key
from judge.checks.applicability import applicable, asks_model
from prompts.rules import RuleFile, ScoredRule, When
from teacher.probes.candidates import ProbeCandidate, ProbeSources, probe_candidates


class RuleCoverage(Record):
    """The training rows of one rule."""

    logged: int | None  # rows that it applies to; None: only a model can tell
    probes: int | None
    unknown: int  # rows without the labels that the rule's condition needs


class ProbeCounts(Record):
    """How many probes were made, rejected and are lacking."""

    floor: int
    rows: dict[str, int]  # by kind
    generated: int  # rows whose question the model wrote
    rejected: dict[str, int]  # reason → candidates
    lacking: dict[str, int]  # rule, or kind that tries every rule → rows below the floor
    unserved: tuple[str, ...]  # rules whose applicability a model decides and that no kind serves


class Probes(NamedTuple):
    """The probes of a run."""

    rows: tuple[Row, ...]
    counts: ProbeCounts


def build_probes(
    sources: ProbeSources, rules: RuleFile, generated: Mapping[str, Sequence[str]]
) -> Probes:
    """The probes that raise every rule to the floor, as far as the questions suffice.

    `generated`: kind → questions that the model wrote. Raises DataError when a train row has the id
    of a probe.
    """
    floor = sources.settings.floor
    selector = _ProbeSelector(sources, probe_candidates(sources, generated))
    lacking: dict[str, int] = {}
    for name, kind in sources.bank.kinds.items():
        if kind.always:
            lacking[name] = selector.take([name], floor)
    unserved = []
    for rule in rules.scored_rules():
        if asks_model(rule.rule):
            kinds = [name for name in sources.bank.kinds if _serves(sources, name, rule)]
            covered = sum(selector.counts[name] for name in kinds)
            lacking[rule.id] = selector.take(kinds, floor - covered) if kinds else 0
            if not kinds and not rule.converse:
                unserved.append(rule.id)
        else:
            is_scored = _is_scored(rule)
            covered = sum(map(is_scored, (*sources.train, *selector.rows)))
            kinds = list(sources.bank.kinds)
            lacking[rule.id] = selector.take(kinds, floor - covered, is_scored)
    everything = [*sources.train, *sources.held_out, *selector.rows]
    check_unique_ids((row.id for row in everything), "train with its probes")
    counts = ProbeCounts(
        floor=floor,
        rows=dict(selector.counts),
        generated=sum(row.origin == "model" for row in selector.rows),
        rejected=dict(selector.rejected),
        lacking={name: count for name, count in lacking.items() if count > 0},
        unserved=tuple(unserved),
    )
    return Probes(tuple(selector.rows), counts)


def scored_on(rule: ScoredRule, row: Row) -> bool | None:
    """Whether a rule, or its converse, is scored on the row.

    None: the row lacks the labels, or a model decides.
    """
    applies = None if asks_model(rule.rule) else applicable(rule.rule, row)
    return None if applies is None else applies != rule.converse


def coverage(rules: RuleFile, rows: Sequence[Row]) -> dict[str, RuleCoverage]:
    """The coverage of every scored rule by its id."""
    covered = {}
    for rule in rules.scored_rules():
        counts = Counter((scored_on(rule, row), row.synthetic is not None) for row in rows)
        by_model = asks_model(rule.rule)
        covered[rule.id] = RuleCoverage(
            logged=None if by_model else counts[True, False],
            probes=None if by_model else counts[True, True],
            unknown=counts[None, False] + counts[None, True],
        )
    return covered


def probe_summary(counts: ProbeCounts, covered: Mapping[str, RuleCoverage]) -> list[str]:
    """Lines to print: the coverage of each rule, and the probes by kind."""
    lines = []
    for rule, rows in covered.items():
        known = "only a model can tell" if rows.logged is None else f"{rows.logged} + {rows.probes}"
        lacking = f", {counts.lacking[rule]} below {counts.floor}" if rule in counts.lacking else ""
        has_unknown = rows.logged is not None and rows.unknown
        unlabelled = f", {rows.unknown} unlabelled" if has_unknown else ""
        lines.append(f"{rule:<24} applies to {known}{unlabelled}{lacking}")
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.rows.items())
    rejected = ", ".join(f"{count} {reason}" for reason, count in counts.rejected.items())
    lines.append(f"probes: {kinds or 'none needed'}; {counts.generated} by the model")
    lines.append(f"rejected questions: {rejected or 'none'}")
    if counts.unserved:
        lines.append(f"no kind of probe serves: {', '.join(counts.unserved)}")
    return lines


def _serves(sources: ProbeSources, kind: str, rule: ScoredRule) -> bool:
    """Whether the kind serves a rule whose applicability a model decides."""
    pattern, when = sources.bank.kinds[kind].llm_pattern, rule.rule.applies
    if pattern is None or rule.converse or not isinstance(when, When) or when.llm is None:
        return False
    return bool(re.search(pattern.casefold(), when.llm.casefold()))


def _is_scored(rule: ScoredRule) -> Callable[[Row], bool]:
    return lambda row: scored_on(rule, row) is True


class _ProbeSelector:
    """Takes candidates that differ from everything else, the kinds in turn."""

    def __init__(
        self, sources: ProbeSources, candidates: Mapping[str, Sequence[ProbeCandidate]]
    ) -> None:
        self.rows: list[Row] = []
        self.counts: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self._prompt_tags = sources.prompt.tags
        near = sources.config.data.near_duplicate
        every = [candidate for of_kind in candidates.values() for candidate in of_kind]
        keys = {question_key(candidate.row) for candidate in every}
        new = {question_key(candidate.row) for candidate in every if not candidate.repeats_train}
        self._near_held_out = _near_keys(keys, sources.held_out, near)
        self._near_train = _near_keys(new, sources.train, near)
        self._near_probes: dict[str, set[str]] = defaultdict(set)  # question key → near ones
        for key, match, _ in near_duplicates(new, new, near):
            self._near_probes[key].add(match)
        self._shown = {self._view(row) for row in sources.train}
        self._taken_keys: set[str] = set()
        self._left = {kind: self._fresh(of_kind) for kind, of_kind in candidates.items()}

    def take(
        self, kinds: Sequence[str], count: int, is_wanted: Callable[[Row], bool] = lambda row: True
    ) -> int:
        """Takes `count` wanted rows, the kinds in turn; returns how many are lacking."""
        queue = [kind for kind in kinds if self._left[kind]]
        while queue and count > 0:
            kind = queue.pop(0)
            if self._take_next(kind, is_wanted):
                count -= 1
                queue.append(kind)
        return max(count, 0)

    def _take_next(self, kind: str, is_wanted: Callable[[Row], bool]) -> bool:
        left = self._left[kind]
        for candidate in [candidate for candidate in left if is_wanted(candidate.row)]:
            left.remove(candidate)
            if self._is_repeated(candidate):
                self.rejected["repeated"] += 1
                continue
            self._shown.add(self._view(candidate.row))
            if not candidate.repeats_train:
                self._taken_keys.add(question_key(candidate.row))
            self.rows.append(candidate.row)
            self.counts[kind] += 1
            return True
        return False

    def _fresh(self, candidates: Iterable[ProbeCandidate]) -> list[ProbeCandidate]:
        """The candidates that are near no held-out row and, unless on purpose, no train row."""
        fresh = []
        for candidate in candidates:
            key = question_key(candidate.row)
            if key in self._near_held_out:
                self.rejected["near_held_out"] += 1
            elif not candidate.repeats_train and key in self._near_train:
                self.rejected["near_train"] += 1
            else:
                fresh.append(candidate)
        return fresh

    def _is_repeated(self, candidate: ProbeCandidate) -> bool:
        if self._view(candidate.row) in self._shown:
            return True
        near = self._near_probes[question_key(candidate.row)] & self._taken_keys
        return not candidate.repeats_train and bool(near)

    def _view(self, row: Row) -> tuple[object, ...]:
        """What the model sees of a row."""
        return conversation_key(row), tuple(row.tags.get(tag) for tag in self._prompt_tags)


def _near_keys(keys: set[str], rows: Sequence[Row], near: float) -> set[str]:
    """The question keys that are near a row's."""
    return {key for key, _, _ in near_duplicates(keys, {question_key(row) for row in rows}, near)}
