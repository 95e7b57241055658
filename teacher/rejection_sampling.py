"""The choice among the candidates: the best answers that break no must-rule, per row.

An answer cut by the token limit, an empty one or a copy of another candidate is never kept, nor one
that is no better than what the base says without the prompt.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from config.schema import Config
from data.answers import Answer, Finish
from data.jsonl import write_records
from data.records import Record
from data.run_paths import RunPaths
from judge.verdict import Outcome
from prompts.rules import RuleFile
from teacher.scoring import Candidates, ScoredCandidate, Standing, is_repaired, rank, standing

# Of a row without a kept candidate, the last of these words that any of its candidates has: as near
# as the row came to being learnt.
SelectionOutcome = Literal[
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
_UNUSABLE: dict[Finish, SelectionOutcome] = {
    "stop": "empty",
    "length": "cut",
    "too_long": "too_long",
}
_FATES: tuple[SelectionOutcome, ...] = get_args(SelectionOutcome)


class Placed(NamedTuple):
    """A candidate and its fate."""

    judged: ScoredCandidate
    fate: SelectionOutcome


class Selection(Record):
    """What became of the candidates of one split."""

    rows: int
    rows_kept: int  # rows with at least one kept answer
    left_out: dict[SelectionOutcome, tuple[str, ...]]  # reason → ids of rows without an answer
    candidates: int
    fates: dict[SelectionOutcome, int]  # candidates by their fate
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
    by_row: dict[str, list[SelectionOutcome]] = defaultdict(list)
    for one, fate in places:
        by_row[one.answer.row].append(fate)
    ends = {row: max(fates, key=_FATES.index) for row, fates in by_row.items()}
    left_out: dict[SelectionOutcome, list[str]] = defaultdict(list)
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
    places: Sequence[Placed], fate: SelectionOutcome, outcome: Outcome, labels: bool = True
) -> dict[str, int]:
    """Candidates of that fate by the rules with that outcome, the most frequent first."""
    found = Counter(
        verdict.rule
        for one, its in places
        for verdict in one.verdicts
        if its == fate and verdict.outcome == outcome and (labels or verdict.reason != "unlabelled")
    )
    return dict(found.most_common())


def is_settled(judged: Sequence[ScoredCandidate], keep: int) -> bool:
    """Whether another candidate of a row would be in vain: `keep` break no rule, or none fits."""
    flawless = {
        answer.text
        for answer, verdicts in judged
        if answer.usable and standing(verdicts, ()).flawless
    }
    return len(flawless) >= keep or any(answer.finish == "too_long" for answer, _ in judged)


def beats(mine: Standing, base: Standing) -> bool | None:
    """Whether an obedient answer is worth learning; None: a missing verdict hides it.

    Llama 2 (arXiv 2307.09288, section 4.2.4) keeps a context-distilled answer only where its reward
    is higher than that of the answer without the context. So here: the base breaks a must-rule, or
    more should-rules than the answer does.

    With one exception: an answer that breaks no rule is kept beside a base that breaks none either.
    Llama 2 distils safety on adversarial prompts, beside all its other data; here the kept answers
    are all that is learnt. Without the rows that the base gets right nothing would stand against
    those that it gets wrong: a student that learns only refusals refuses everything. And the rules
    see less than there is: the two answers may differ in what nobody checks.
    """
    if base.must_broken or mine.flawless:
        return True
    if mine.should_broken + mine.should_open < base.should_broken:
        return True
    most = base.should_broken + base.should_open
    if base.must_open or not mine.should_broken or mine.should_broken < most:
        return None
    return False


def select(
    judged: Sequence[ScoredCandidate],
    rules: RuleFile,
    keep: int,
    same_text: float | None = None,
    base: Mapping[str, ScoredCandidate] | None = None,
) -> tuple[list[Answer], Selection]:
    """At most `keep` answers per row, of which one text is at most the share `same_text`.

    With them what became of the rest.

    A fixed sentence that many rows share is learnt first, and greedy decoding then prefers it to
    answers that could begin in several ways: the student says it wherever it is unsure.
    `base`: row → the base's answer without the prompt, that a kept one must beat; None: not asked.
    """
    must = rules.must_rules
    against = base or {}
    by_row: dict[str, list[ScoredCandidate]] = defaultdict(list)
    for one in judged:
        by_row[one.answer.row].append(one)
    places = [
        placed
        for row, candidates in by_row.items()
        for placed in _chosen(candidates, keep, must, None if base is None else base[row])
    ]
    places = _thinned(places, same_text)
    kept = [_selected(one) for one, fate in places if fate == "kept"]
    return kept, counted(places, must, against)


def _selected(judged: ScoredCandidate) -> Answer:
    answer = judged.answer
    return answer.model_copy(update={"logprobs": None})  # the student does not read them


def _chosen(
    candidates: Sequence[ScoredCandidate],
    keep: int,
    must: Collection[str],
    base: ScoredCandidate | None,
) -> Iterator[Placed]:
    """A row's candidates: those that can be kept, the best first, then all others."""
    seen: set[str] = set()
    good, rest = [], []
    for one in candidates:
        fate = _fate(one, seen, must, base)
        seen.add(one.answer.text)
        if fate == "kept":
            good.append(one)
        else:
            rest.append(Placed(one, fate))
    for number, one in enumerate(sorted(good, key=lambda one: rank(one, must))):
        yield Placed(one, "kept" if number < keep else "unneeded")
    yield from rest


def _fate(
    one: ScoredCandidate, seen: set[str], must: Collection[str], base: ScoredCandidate | None
) -> SelectionOutcome:
    """`kept`: it can be, whatever others can."""
    answer, mine = one.answer, standing(one.verdicts, must)
    if not answer.usable:
        unusable: dict[str, SelectionOutcome] = {
            "stop": "empty",
            "length": "cut",
            "too_long": "too_long",
        }
        return unusable[answer.finish]
    if answer.text in seen:
        return "duplicate"
    if mine.must_broken:
        return "broke_a_rule"
    if mine.must_open:
        return "undecided"
    if base is None or not base.answer.usable:  # any answer is better than none
        return "kept"
    better = beats(mine, standing(base.verdicts, must))
    if better is None:
        return "undecided"
    return "kept" if better else "no_better_than_base"


def _thinned(places: Sequence[Placed], share: float | None) -> list[Placed]:
    """One text's kept answers bounded by the share, evenly over the rows in their order."""
    by_text: dict[str, list[int]] = defaultdict(list)
    for place, (one, fate) in enumerate(places):
        if fate == "kept":
            by_text[one.answer.text].append(place)
    counts = [len(found) for found in by_text.values()]
    most = max(counts, default=0) if share is None else _most(counts, share)
    chosen: set[int] = set()
    for found in by_text.values():
        count = min(most, len(found))
        chosen.update(found[index * len(found) // count] for index in range(count))
    return [
        Placed(one, "same_text") if fate == "kept" and place not in chosen else Placed(one, fate)
        for place, (one, fate) in enumerate(places)
    ]


def _most(counts: Sequence[int], share: float) -> int:
    """The most copies of a text that are no more than the share of all that then stay; 1 at least.

    What stays grows ever slower with the bound, so that above the largest that fits none does.
    """
    rows = Counter(counts)  # copies → texts with so many

    def too_many(most: int) -> bool:
        return most > share * sum(min(count, most) * texts for count, texts in rows.items())

    bounds = range(1, max(counts, default=0) + 1)
    return max(1, bisect_left(bounds, True, key=too_many))


def select_all(config: Config, rules: RuleFile, found: Candidates) -> dict[str, Selection]:
    """Writes the selected answers of train and of the val rows that have candidates.

    Val's are only compared with, never learnt: they need not beat the base's, nor be thinned.
    """
    run, teacher = RunPaths.of(config), config.teacher
    train, of_train = select(found.train, rules, teacher.keep, teacher.same_text, found.base)
    val, of_val = select(found.val, rules, teacher.keep)
    write_records(run.selected, train)
    write_records(run.selected_val, val)
    return {"train": of_train, "val": of_val}
