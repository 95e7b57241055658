"""The ceiling: how often the prompted model obeys each rule, before any training."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from config.schema import Config
from data.answers import Answer, read_answers
from data.records import Record
from data.run import Run
from data.store import write_text
from judge.board import strict
from prompts.library import Prompt
from prompts.rules import RuleFile
from teacher.select import Judged, Selection, judged_candidates


class RuleAudit(Record):
    """One rule over the train rows on which it decides at least one candidate."""

    due: int  # such rows
    first: float | None  # share of rows whose first candidate obeys; None: never due
    any: float | None  # share of rows with at least one candidate that obeys


class OrderAudit(Record):
    """The candidates of one order of the worked examples; later ones see only unsettled rows."""

    asked: int
    strict: float  # share of them that break no must-rule


class Audit(Record):
    """What the prompted teacher can do, and what was made of it."""

    rules: dict[str, RuleAudit]
    strict: RuleAudit
    by_order: tuple[OrderAudit, ...]
    selection: dict[str, Selection]  # split → what became of its candidates


def audit(
    config: Config, prompt: Prompt, rules: RuleFile, selection: dict[str, Selection]
) -> Audit:
    """Writes `teacher/audit.json` from the candidates of the train rows."""
    run = Run.of(config)
    rows = {row.id: row for row in run.rows("train")}
    judged = judged_candidates(read_answers(run.answers("candidates/train")), rows, rules, prompt)
    result = Audit(
        rules={due.id: _rule(judged, due.id) for due in rules.due_rules()},
        strict=audited([(a, strict(v, rules)) for a, v in judged]),
        by_order=tuple(_by_order(judged, rules)),
        selection=selection,
    )
    write_text(run.audit, result.model_dump_json(indent=1) + "\n")
    return result


def _rule(judged: Sequence[Judged], rule: str) -> RuleAudit:
    outcomes = {"pass": True, "fail": False}
    return audited([(a, outcomes.get(v.outcome)) for a, vs in judged for v in vs if v.rule == rule])


def audited(scores: Sequence[tuple[Answer, bool | None]]) -> RuleAudit:
    """From (candidate, obeyed) pairs; None: nothing was decided there."""
    first: dict[str, bool] = {}
    any_of: dict[str, bool] = {}
    for answer, obeyed in scores:
        if obeyed is not None:
            any_of[answer.row] = any_of.get(answer.row, False) or obeyed
            if answer.sample == 0:
                first[answer.row] = obeyed
    if not any_of:
        return RuleAudit(due=0, first=None, any=None)
    return RuleAudit(
        due=len(any_of),
        first=sum(first.values()) / len(first) if first else None,
        any=sum(any_of.values()) / len(any_of),
    )


def _by_order(judged: Sequence[Judged], rules: RuleFile) -> Iterator[OrderAudit]:
    by_sample: dict[int, list[bool]] = defaultdict(list)
    for answer, verdicts in judged:
        by_sample[answer.sample].append(strict(verdicts, rules) is True)
    for _, values in sorted(by_sample.items()):
        yield OrderAudit(asked=len(values), strict=sum(values) / len(values))
