"""What became of the candidates: a word for each, and the counts of a split."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from data.records import Record
from judge.verdict import Outcome
from teacher.scoring import ScoredCandidate, is_repaired, standing

# Of a row without a kept candidate, the last of these words that any of its candidates has: as near
# as the row came to being learnt.
Fate = Literal[
    "too_long",  # the prompt does not fit
    "empty",
    "cut",  # by the token limit
    "duplicate",  # the same text as an earlier candidate of the row
    "broke_a_rule",
    "no_better_than_base",
    "undecided",  # kept or not, if a missing verdict were there
    "same_text",  # enough other rows learn the very same text
    "unneeded",  # the row has enough better ones
    "kept",
]
_FATES: tuple[Fate, ...] = get_args(Fate)


class Placed(NamedTuple):
    """A candidate and its fate."""

    judged: ScoredCandidate
    fate: Fate


class Selection(Record):
    """What became of the candidates of one split."""

    rows: int
    rows_kept: int  # rows with at least one kept answer
    left_out: dict[Fate, tuple[str, ...]]  # why nothing is learnt of the other rows → their ids
    candidates: int
    fates: dict[Fate, int]  # candidates by their fate
    repaired: int  # candidates that were asked for behind a failed one
    repaired_kept: int
    base_flawless: int  # rows that are kept although the base's own answer breaks no rule either
    broken_rules: dict[str, int]  # candidates that broke a must-rule, by rule
    open_rules: dict[str, int]  # undecided candidates by rule without a verdict
    unlabelled: dict[str, int]  # kept answers by rule that the row's missing labels leave open

    @property
    def kept(self) -> int:
        """Answers that are learnt."""
        return self.fates.get("kept", 0)


def counted(
    places: Sequence[Placed], must: Collection[str], base: Mapping[str, ScoredCandidate]
) -> Selection:
    """The counts of one split; `base`: row → the base's answer, where it was asked."""
    by_row: dict[str, list[Fate]] = defaultdict(list)
    for one, fate in places:
        by_row[one.answer.row].append(fate)
    ends = {row: max(fates, key=_FATES.index) for row, fates in by_row.items()}
    left_out: dict[Fate, list[str]] = defaultdict(list)
    for row, end in ends.items():
        if end != "kept":
            left_out[end].append(row)
    against = [base[row] for row, end in ends.items() if end == "kept" and row in base]
    repaired = [fate for one, fate in places if is_repaired(one.answer)]
    fates = Counter(fate for _, fate in places)
    broken = _by_rule(places, "broke_a_rule", "fail")
    return Selection(
        rows=len(ends),
        rows_kept=list(ends.values()).count("kept"),
        left_out={fate: tuple(left_out[fate]) for fate in _FATES if left_out[fate]},
        candidates=len(places),
        fates={fate: fates[fate] for fate in _FATES if fates[fate]},
        repaired=len(repaired),
        repaired_kept=repaired.count("kept"),
        base_flawless=sum(
            one.answer.usable and standing(one.verdicts, must).flawless for one in against
        ),
        broken_rules={rule: count for rule, count in broken.items() if rule in must},
        open_rules=_by_rule(places, "undecided", "missing", labels=False),
        unlabelled=_by_rule(places, "kept", "missing"),
    )


def _by_rule(
    places: Sequence[Placed], fate: Fate, outcome: Outcome, labels: bool = True
) -> dict[str, int]:
    """Candidates of that fate by the rules with that outcome, the most frequent first."""
    found = Counter(
        verdict.rule
        for one, its in places
        for verdict in one.verdicts
        if its == fate and verdict.outcome == outcome and (labels or verdict.reason != "unlabelled")
    )
    return dict(found.most_common())
