"""Rejection sampling: selects per row the best candidates that break no must-rule.

Truncated, empty and duplicate candidates are never selected, nor those that are no better than the
base's answer without the prompt.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from config.schema import Config
from data.answers import Finish
from data.jsonl import write_records
from data.run_paths import RunPaths
from teacher.balance import limit_cases, limit_same_text
from teacher.scored_candidate import RuleCounts, ScoredCandidate, SelectionOutcome
from teacher.scoring import Candidates
from teacher.selection import Selection, count_outcomes

_UNUSABLE: dict[Finish, SelectionOutcome] = {
    "stop": "empty",
    "length": "truncated",
    "too_long": "too_long",
}


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
    return limit_same_text(decided, max_same_text_share)


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


def select_all(config: Config, candidates: Candidates) -> dict[str, Selection]:
    """Writes the selected answers of train, and of the val rows that have candidates.

    Val's serve only for validation loss: they need not beat the base, nor is their text limited.
    """
    run, teacher = RunPaths.of(config), config.teacher
    share = teacher.max_same_text_share
    train = select(candidates.train, teacher.max_selected, share, candidates.base)
    if teacher.balance == "logs":
        train = limit_cases(train, candidates.due)
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
