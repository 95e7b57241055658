"""Rejection sampling: selects per row the best candidates that break no must-rule.

Truncated, empty and duplicate candidates are never selected, nor those that are no better than the
base's answer without the prompt.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import get_args

from config.schema import Config
from data.answers import Finish
from data.jsonl import write_records
from data.records import Record
from data.run_paths import RunPaths
from judge.verdict import Outcome
from teacher.scored_candidate import RuleCounts, ScoredCandidate, SelectionOutcome
from teacher.scoring import Candidates

_OUTCOMES: tuple[SelectionOutcome, ...] = get_args(SelectionOutcome)
_UNUSABLE: dict[Finish, SelectionOutcome] = {
    "stop": "empty",
    "length": "truncated",
    "too_long": "too_long",
}


class Selection(Record):
    """Counts of rejection sampling on one split."""

    rows: int
    rows_selected: int  # rows with at least one selected answer
    rows_left_out: dict[SelectionOutcome, tuple[str, ...]]  # ids of the other rows, by outcome
    candidates: int
    outcomes: dict[SelectionOutcome, int]  # candidates by outcome
    repaired: int  # candidates from the repair turn
    repaired_selected: int
    beside_flawless_base: int  # rows with a selected answer where the base breaks no rule either
    broken_rules: dict[str, int]  # must-rule → candidates that are out because they break it
    undecided_rules: dict[str, int]  # rule → undecided candidates without its verdict
    unlabelled_rules: dict[str, int]  # rule → selected answers it cannot judge: no labels

    @property
    def selected(self) -> int:
        """Number of selected answers."""
        return self.outcomes.get("selected", 0)


def is_settled(candidates: Sequence[ScoredCandidate], max_selected: int) -> bool:
    """Whether a row needs no further candidate: `max_selected` distinct ones are flawless, or its
    prompt does not fit."""
    flawless = {
        candidate.answer.text
        for candidate in candidates
        if candidate.answer.usable and candidate.rule_counts.flawless
    }
    too_long = any(candidate.answer.finish == "too_long" for candidate in candidates)
    return too_long or len(flawless) >= max_selected


def beats_base(counts: RuleCounts, base: RuleCounts) -> bool | None:
    """Whether an answer that passes the must-rules is worth learning; None: a verdict is missing.

    Llama 2 (arXiv 2307.09288, section 4.2.4) keeps a context-distilled answer only where its reward
    exceeds that of the answer without the context. Here the base must break a must-rule, or more
    should-rules than the answer does.

    One exception: a flawless answer is selected beside a flawless base. Llama 2 distils safety on
    adversarial prompts next to all its other data; here the selected answers are all the data. If
    they held only rows that the base gets wrong, a student could learn to refuse everything. And
    the rules see only part: two flawless answers may still differ.
    """
    if base.must_broken or counts.flawless:
        return True
    if counts.should_broken + counts.should_open < base.should_broken:
        return True
    base_at_most = base.should_broken + base.should_open
    if base.must_open or not counts.should_broken or counts.should_broken < base_at_most:
        return None
    return False


def select(
    candidates: Sequence[ScoredCandidate],
    max_selected: int,
    max_same_text_share: float | None = None,
    base: Mapping[str, ScoredCandidate] | None = None,
) -> list[ScoredCandidate]:
    """Every candidate with its outcome, row by row, a row's selected ones first and best first.

    At most `max_selected` per row are selected, and at most the share `max_same_text_share` of all
    selected answers have the same text. A fixed sentence that many rows share is learnt first, and
    greedy decoding then prefers it to answers with several possible beginnings: the student says it
    wherever it is unsure.

    `base`: row → the base's answer without the prompt, which a selected one must beat; None: no
    comparison.
    """
    by_row: dict[str, list[ScoredCandidate]] = defaultdict(list)
    for candidate in candidates:
        by_row[candidate.answer.row].append(candidate)
    decided = [
        candidate
        for row, of_row in by_row.items()
        for candidate in _select_in_row(of_row, max_selected, base[row] if base else None)
    ]
    return _limit_same_text(decided, max_same_text_share)


def _select_in_row(
    candidates: Sequence[ScoredCandidate], max_selected: int, base: ScoredCandidate | None
) -> Iterator[ScoredCandidate]:
    texts: set[str] = set()
    eligible: list[ScoredCandidate] = []
    rest: list[ScoredCandidate] = []
    for candidate in candidates:
        outcome = _outcome(candidate, texts, base)
        texts.add(candidate.answer.text)
        (eligible if outcome == "selected" else rest).append(replace(candidate, outcome=outcome))
    eligible.sort(key=lambda candidate: candidate.rank)
    yield from eligible[:max_selected]
    for candidate in eligible[max_selected:]:
        yield replace(candidate, outcome="surplus")
    yield from rest


def _outcome(
    candidate: ScoredCandidate, earlier_texts: set[str], base: ScoredCandidate | None
) -> SelectionOutcome:
    """The outcome before candidates compete; `selected`: the candidate is eligible."""
    answer, counts = candidate.answer, candidate.rule_counts
    if not answer.usable:
        return _UNUSABLE[answer.finish]
    if answer.text in earlier_texts:
        return "duplicate"
    if counts.must_broken:
        return "broke_must_rule"
    if counts.must_open:
        return "undecided"
    if base is None or not base.answer.usable:  # any answer is better than none
        return "selected"
    better = beats_base(counts, base.rule_counts)
    if better is None:
        return "undecided"
    return "selected" if better else "no_better_than_base"


def _limit_same_text(
    candidates: Sequence[ScoredCandidate], max_share: float | None
) -> list[ScoredCandidate]:
    """Limits each selected text to the share; the rows that keep it are evenly spread."""
    by_text: dict[str, list[int]] = defaultdict(list)
    for place, candidate in enumerate(candidates):
        if candidate.outcome == "selected":
            by_text[candidate.answer.text].append(place)
    limited = list(candidates)
    if max_share is None:
        return limited
    limit = _copies_per_text([len(places) for places in by_text.values()], max_share)
    for places in by_text.values():
        count = min(limit, len(places))
        stay = {places[index * len(places) // count] for index in range(count)}
        for place in set(places) - stay:
            limited[place] = replace(limited[place], outcome="common_text")
    return limited


def _copies_per_text(counts: Sequence[int], max_share: float) -> int:
    """The largest number of copies of a text within the share of all answers that stay; at least 1.

    The number that stays grows ever slower with the limit, so that bisection finds it.
    """
    texts_by_copies = Counter(counts)

    def exceeds_share(limit: int) -> bool:
        total = sum(min(copies, limit) * texts for copies, texts in texts_by_copies.items())
        return limit > max_share * total

    return max(1, bisect_left(range(1, max(counts, default=0) + 1), True, key=exceeds_share))


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
    repaired = [candidate.outcome for candidate in candidates if candidate.repaired]
    outcomes = Counter(candidate.outcome for candidate in candidates)
    must_rules = candidates[0].must_rules if candidates else ()
    broken = _count_rules(candidates, "broke_must_rule", "fail")
    return Selection(
        rows=len(by_row),
        rows_selected=len(selected_rows),
        rows_left_out={name: tuple(left_out[name]) for name in _OUTCOMES if name in left_out},
        candidates=len(candidates),
        outcomes={name: outcomes[name] for name in _OUTCOMES if outcomes[name]},
        repaired=len(repaired),
        repaired_selected=repaired.count("selected"),
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


def select_all(config: Config, candidates: Candidates) -> dict[str, Selection]:
    """Writes the selected answers of train, and of the val rows that have candidates.

    Val's serve only for validation loss: they need not beat the base, nor is their text limited.
    """
    run, teacher = RunPaths.of(config), config.teacher
    share = teacher.max_same_text_share
    train = select(candidates.train, teacher.max_selected, share, candidates.base)
    val = select(candidates.val, teacher.max_selected)
    for path, of_split in ((run.selected, train), (run.selected_val, val)):
        write_records(
            path,
            (
                candidate.answer.model_copy(update={"logprobs": None})  # students do not read them
                for candidate in of_split
                if candidate.outcome == "selected"
            ),
        )
    return {"train": count_outcomes(train, candidates.base), "val": count_outcomes(val)}
