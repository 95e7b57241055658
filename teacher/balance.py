"""Limits how often the students learn the same thing: one text, or one conditional rule.

A fixed sentence that many rows share is learnt first, and greedy decoding then prefers it to
answers with several possible beginnings: the student says it wherever it is unsure.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from teacher.scored_candidate import ScoredCandidate, SelectionOutcome

_T = TypeVar("_T")


def limit_same_text(
    candidates: Sequence[ScoredCandidate], max_share: float | None
) -> list[ScoredCandidate]:
    """Limits each selected text to this share of the selected answers; None: no limit."""
    by_text: dict[str, list[int]] = defaultdict(list)
    for place, candidate in enumerate(candidates):
        if candidate.outcome == "selected":
            by_text[candidate.answer.text].append(place)
    if max_share is None:
        return list(candidates)
    limit = _copies_per_text([len(places) for places in by_text.values()], max_share)
    out: set[int] = set()
    for places in by_text.values():
        out |= set(places) - _evenly_spread(places, limit)
    return _with_outcome(candidates, out, "common_text")


def limit_cases(
    candidates: Sequence[ScoredCandidate], due: Mapping[str, Sequence[str]]
) -> list[ScoredCandidate]:
    """Limits the selected rows of each conditional rule to the proportion of the training rows.

    `due`: training row → conditional rules that are due on it; without one, the row is ordinary. A
    rule that is due on half as many training rows as are ordinary keeps at most half as many
    selected rows as ordinary ones are selected, and at least one.
    """
    places: dict[str, list[int]] = defaultdict(list)  # row → places of its selected answers
    for place, candidate in enumerate(candidates):
        if candidate.outcome == "selected":
            places[candidate.answer.row].append(place)
    ordinary = sum(not rules for rules in due.values())
    if not ordinary:
        return list(candidates)
    ordinary_selected = sum(not due[row] for row in places)
    rows = Counter(rule for rules in due.values() for rule in rules)
    out: set[int] = set()
    for rule, count in rows.items():
        of_rule = [row for row in places if rule in due[row]]
        stay = _evenly_spread(of_rule, max(1, count * ordinary_selected // ordinary))
        for row in of_rule:
            if row not in stay:
                out.update(places.pop(row))
    return _with_outcome(candidates, out, "over_share")


def _evenly_spread(items: Sequence[_T], limit: int) -> set[_T]:
    """At most `limit` of the items, evenly spread."""
    count = min(limit, len(items))
    return {items[index * len(items) // count] for index in range(count)}


def _with_outcome(
    candidates: Sequence[ScoredCandidate], places: Collection[int], outcome: SelectionOutcome
) -> list[ScoredCandidate]:
    return [
        replace(candidate, outcome=outcome) if place in places else candidate
        for place, candidate in enumerate(candidates)
    ]


def _copies_per_text(counts: Sequence[int], max_share: float) -> int:
    """The largest number of copies of a text within the share of all answers that stay; at least 1.

    The number that stays grows ever slower with the limit, so that bisection finds it.
    """
    texts_by_copies = Counter(counts)

    def exceeds_share(limit: int) -> bool:
        total = sum(min(copies, limit) * texts for copies, texts in texts_by_copies.items())
        return limit > max_share * total

    return max(1, bisect_left(range(1, max(counts, default=0) + 1), True, key=exceeds_share))
