"""The choice among the candidates: the best answers that break no must-rule, per row.

An answer cut by the token limit, an empty one or a copy of another candidate is never kept.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from config.schema import Config
from data.answers import Answer, read_answers
from data.records import Record
from data.rows import Row
from data.run import Run
from data.selected import Selected
from data.store import write_records
from judge.checks import code_verdicts
from judge.verdicts import Verdict
from prompts.library import Prompt
from prompts.rules import RuleFile

Judged = tuple[Answer, list[Verdict]]


class Selection(Record):
    """What became of the candidates of one split, in counts."""

    rows: int
    rows_kept: int  # rows with at least one answer that could be kept
    candidates: int
    cut: int  # by the token limit
    empty: int
    too_long: int  # prompts that do not fit
    duplicates: int  # the same text as another candidate of the row
    broke_a_rule: int
    same_text: int  # rows left out because enough others learn the very same text
    kept: int
    broken_rules: dict[str, int]  # candidates by must-rule that they break
    rows_without: tuple[str, ...]  # ids of the rows that nothing was kept for


def judged_candidates(
    answers: Sequence[Answer], rows: Mapping[str, Row], rules: RuleFile, prompt: Prompt
) -> list[Judged]:
    """Every answer with its verdicts by the code rules."""
    return [
        (answer, code_verdicts(rules, prompt, answer.shown(rows[answer.row]), answer))
        for answer in answers
    ]


def is_settled(judged: Sequence[Judged], keep: int) -> bool:
    """Whether another candidate of a row would be in vain: `keep` break no rule, or none fits."""
    flawless = {
        answer.text
        for answer, verdicts in judged
        if answer.usable and not any(verdict.outcome == "fail" for verdict in verdicts)
    }
    return len(flawless) >= keep or any(answer.finish == "too_long" for answer, _ in judged)


def select(
    judged: Sequence[Judged], rules: RuleFile, keep: int, same_text: int | None = None
) -> tuple[list[Selected], Selection]:
    """At most `keep` answers per row and `same_text` copies of one text; what became of the rest.

    A fixed sentence that many rows share is learnt first, and greedy decoding then prefers it to
    answers that could begin in several ways: the student says it wherever it is unsure.
    """
    must = {due.id for due in rules.due_rules() if due.must}
    by_row: dict[str, list[Judged]] = defaultdict(list)
    for answer, verdicts in judged:
        by_row[answer.row].append((answer, verdicts))
    counts: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    kept: list[Selected] = []
    without = []
    for row, candidates in by_row.items():
        obedient = _obedient(candidates, must, counts, broken)
        best = sorted(obedient, key=_rank)[:keep]
        kept += [_selected(answer) for answer, _ in best]
        if not best:
            without.append(row)
    enough = len(kept)
    kept = _thinned(kept, same_text)
    return kept, Selection(
        rows=len(by_row),
        rows_kept=len(by_row) - len(without),
        candidates=len(judged),
        cut=counts["length"],
        empty=counts["empty"],
        too_long=counts["too_long"],
        duplicates=counts["duplicate"],
        broke_a_rule=counts["broke"],
        same_text=enough - len(kept),
        kept=len(kept),
        broken_rules=dict(broken.most_common()),
        rows_without=tuple(without),
    )


def _selected(answer: Answer) -> Selected:
    return Selected(
        row=answer.row,
        sample=answer.sample,
        text=answer.text,
        dropped=answer.dropped,
        key=answer.key,
        token_ids=answer.token_ids,
    )


def _thinned(kept: Sequence[Selected], most: int | None) -> list[Selected]:
    """At most `most` answers of one text, evenly over the rows in their order."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(kept):
        places[one.text].append(place)
    chosen: set[int] = set()
    for found in places.values():
        count = len(found) if most is None else min(most, len(found))
        chosen.update(found[index * len(found) // count] for index in range(count))
    return [one for place, one in enumerate(kept) if place in chosen]


def _obedient(
    candidates: Sequence[Judged], must: set[str], counts: Counter[str], broken: Counter[str]
) -> list[Judged]:
    """The complete, distinct candidates that break no must-rule; counts the others."""
    seen: set[str] = set()
    obedient = []
    for answer, verdicts in candidates:
        failed = [v.rule for v in verdicts if v.outcome == "fail" and v.rule in must]
        if not answer.usable:
            counts[answer.finish if answer.finish != "stop" else "empty"] += 1
        elif answer.text in seen:
            counts["duplicate"] += 1
        elif failed:
            counts["broke"] += 1
            broken.update(failed)
        else:
            obedient.append((answer, verdicts))
        seen.add(answer.text)
    return obedient


def _rank(judged: Judged) -> tuple[int, float, int]:
    """Fewest broken should-rules, then the answer that the model found most likely, then first."""
    answer, verdicts = judged
    failed = sum(verdict.outcome == "fail" for verdict in verdicts)
    logprobs = answer.logprobs
    likely = sum(logprobs) / len(logprobs) if logprobs else 0.0
    return failed, -likely, answer.sample


def select_all(config: Config, prompt: Prompt, rules: RuleFile) -> dict[str, Selection]:
    """Writes the selected answers of train and of the val rows that have candidates."""
    run = Run.of(config)
    result = {}
    for split, path in (("train", run.selected), ("val", run.selected_val)):
        found = run.training(config) if split == "train" else run.rows("val")
        rows = {row.id: row for row in found}
        answers = read_answers(run.answers(f"candidates/{split}"))
        judged = judged_candidates(answers, rows, rules, prompt)
        kept, result[split] = select(judged, rules, config.teacher.keep, config.teacher.same_text)
        write_records(path, kept)
    return result
