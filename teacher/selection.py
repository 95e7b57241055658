"""What rejection sampling selected and left out, in counts and row ids."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import get_args

from data.answers import How
from data.records import Record
from judge.verdict import Outcome
from teacher.scored_candidate import ScoredCandidate, SelectionOutcome

_OUTCOMES: tuple[SelectionOutcome, ...] = get_args(SelectionOutcome)
_HOW: tuple[How, ...] = get_args(How)


class HowCount(Record):
    """The candidates that came about in one way."""

    candidates: int
    selected: int


class Selection(Record):
    """Counts of rejection sampling on one split."""

    rows: int
    rows_selected: int  # rows with at least one selected answer
    rows_left_out: dict[SelectionOutcome, tuple[str, ...]]  # ids of the other rows, by outcome
    # must-rule → ids of the rows whose best candidate is out because it breaks it, most rows first;
    # a row counts for each rule
    rules_left_out: dict[str, tuple[str, ...]] = {}
    candidates: int
    outcomes: dict[SelectionOutcome, int]  # candidates by outcome
    how: dict[How, HowCount] = {}
    beside_flawless_base: int  # rows with a selected answer where the base breaks no rule either
    broken_rules: dict[str, int]  # must-rule → candidates that are out because they break it
    undecided_rules: dict[str, int]  # rule → undecided candidates without its verdict
    unlabelled_rules: dict[str, int]  # rule → selected answers it cannot judge: no labels

    @property
    def selected(self) -> int:
        """Number of selected answers."""
        return self.outcomes.get("selected", 0)


def count_outcomes(
    candidates: Sequence[ScoredCandidate], base: Mapping[str, ScoredCandidate] | None = None
) -> Selection:
    """The counts of one split after `select`. `base`: row → the base's answer; None: not asked."""
    by_row: dict[str, list[SelectionOutcome]] = defaultdict(list)
    for candidate in candidates:
        assert candidate.outcome is not None  # `select` has set it
        by_row[candidate.answer.row].append(candidate.outcome)
    row_outcomes = {row: max(of_row, key=_OUTCOMES.index) for row, of_row in by_row.items()}
    left_out: dict[SelectionOutcome, list[str]] = defaultdict(list)
    for row, outcome in row_outcomes.items():
        left_out[outcome].append(row)
    selected_rows = left_out.pop("selected", [])
    base_answers = [base[row] for row in selected_rows if base and row in base]
    outcomes = Counter(candidate.outcome for candidate in candidates)
    must_rules = candidates[0].must_rules if candidates else ()
    broken = _count_rules(candidates, "broke_must_rule", "fail")
    return Selection(
        rows=len(by_row),
        rows_selected=len(selected_rows),
        rows_left_out={name: tuple(left_out[name]) for name in _OUTCOMES if name in left_out},
        rules_left_out=_rules_of_best(candidates, left_out["broke_must_rule"]),
        candidates=len(candidates),
        outcomes={name: outcomes[name] for name in _OUTCOMES if outcomes[name]},
        how=_count_how(candidates),
        beside_flawless_base=sum(
            answer.answer.usable and answer.rule_counts.flawless for answer in base_answers
        ),
        broken_rules={rule: count for rule, count in broken.items() if rule in must_rules},
        undecided_rules=_count_rules(candidates, "undecided", "missing", unlabelled=False),
        unlabelled_rules=_count_rules(candidates, "selected", "missing"),
    )


def _count_rules(
    candidates: Sequence[ScoredCandidate],
    outcome: SelectionOutcome,
    verdict_outcome: Outcome,
    unlabelled: bool = True,
) -> dict[str, int]:
    """Rule → candidates with this outcome and this verdict on the rule, most frequent first."""
    counts = Counter(
        verdict.rule
        for candidate in candidates
        if candidate.outcome == outcome
        for verdict in candidate.verdicts
        if verdict.outcome == verdict_outcome and (unlabelled or verdict.reason != "unlabelled")
    )
    return dict(counts.most_common())


def _count_how(candidates: Sequence[ScoredCandidate]) -> dict[How, HowCount]:
    drawn = Counter(candidate.answer.how for candidate in candidates)
    selected = Counter(
        candidate.answer.how for candidate in candidates if candidate.outcome == "selected"
    )
    return {
        how: HowCount(candidates=drawn[how], selected=selected[how]) for how in _HOW if drawn[how]
    }


def _rules_of_best(
    candidates: Sequence[ScoredCandidate], rows: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Must-rule → those of the rows whose best candidate breaks it."""
    by_row: dict[str, list[ScoredCandidate]] = {row: [] for row in rows}
    for candidate in candidates:
        if candidate.answer.row in by_row:
            by_row[candidate.answer.row].append(candidate)
    by_rule: dict[str, list[str]] = defaultdict(list)
    for row, of_row in by_row.items():
        best = min(of_row, key=lambda candidate: candidate.rank)
        for verdict in best.verdicts:
            if verdict.outcome == "fail" and verdict.rule in best.must_rules:
                by_rule[verdict.rule].append(row)
    ordered = sorted(by_rule.items(), key=lambda item: -len(item[1]))
    return {rule: tuple(ids) for rule, ids in ordered}


def left_out_line(selection: Selection, guided: bool) -> str:
    """The rows without a selected answer by broken rule, or by outcome where no rule is the reason,
    and the setting that may help most of them. `guided`: the value of teacher.guided."""
    by_outcome = dict(selection.rows_left_out)
    count = sum(map(len, by_outcome.values()))
    most = max(by_outcome, key=lambda outcome: len(by_outcome[outcome]))
    way_out = _WITH_GUIDANCE if guided and most == "broke_must_rule" else _WAYS_OUT[most]
    by_outcome.pop("broke_must_rule", None)
    reasons = chain(selection.rules_left_out.items(), by_outcome.items())
    shown = ", ".join(f"{reason} {len(ids)}" for reason, ids in reasons)
    return f"{count} rows taught nothing: {shown}; {way_out}"


def nothing_selected_line(selection: Selection, guided: bool) -> str:
    """Why no candidate of any row is selected, and what helps: the rule that all break comes first.

    `guided`: the value of teacher.guided.
    """
    total = selection.candidates
    head = f"none of {total} candidates for {selection.rows} rows can be learnt"
    broke = selection.outcomes.get("broke_must_rule", 0)
    by_row = selection.rows_left_out
    most = max(by_row, key=lambda outcome: len(by_row[outcome]))
    others = [
        f"{name} {count}" for name, count in selection.outcomes.items() if name != "broke_must_rule"
    ]
    if most != "broke_must_rule" or not selection.broken_rules:
        broken = [f"broke_must_rule {broke}"] * bool(broke)
        return f"{head}: {', '.join([*others, *broken])}; {_WAYS_OUT[most]}"
    top = list(selection.broken_rules.items())[:_SHOWN_RULES]
    rule, count = top[0]
    whole = "all of them" if broke == total else f"all {broke} that are whole and new"
    if count == broke:
        reason = f"{whole} break rule {rule}"
        shown = [f"{name} by {number}" for name, number in top[1:]]
        reason += f" (also broken: {', '.join(shown)})" if shown else " and no other"
    else:
        shown = [f"{name} by {number} of {broke}" for name, number in top]
        reason = f"{whole} break some must-rule: {', '.join(shown)}"
    rest = f"; {', '.join(others)}" if others else ""
    guide = "" if guided else "set teacher.guided: true, "
    return (
        f"{head}: {reason}{rest}; {guide}add a worked example to prompt.examples that obeys "
        f"{rule}, take a larger teacher.model, or correct the check of {rule}, if answers that you "
        "find good fail it: `unprompted judge … try-rules`"
    )


_SHOWN_RULES = 3
_WITH_GUIDANCE = "worked examples of these cases or a larger teacher.model may help"
_WAYS_OUT: dict[SelectionOutcome, str] = {
    "too_long": "a larger model.max_length may help",
    "empty": "teacher.guided: true may help",
    "truncated": "a larger teacher.sampling.max_tokens may help",
    "duplicate": "a higher teacher.sampling.temperature may help",
    "broke_must_rule": "teacher.guided: true may help",
    "no_better_than_base": "the base answers most of these as well without the prompt",
    "undecided": "verdicts are missing: a judge or labels would decide most of these",
    "common_text": "a larger teacher.max_same_text_share may help",
    "over_share": "teacher.balance: null would select most of these",
}
