"""The ceiling: how often the prompted model obeys each rule, before any training."""

from collections import defaultdict
from collections.abc import Sequence

from config.schema import Config
from data.answers import read_answers
from data.records import Record
from data.run import Run
from data.store import write_text
from judge.board import strict
from prompts.library import Prompt
from prompts.rules import RuleFile
from teacher.select import Judged, Selection, judged_candidates


class RuleAudit(Record):
    """One rule over the candidates of the train rows, in rows."""

    due: int  # rows on which the rule decides at least one candidate
    one: float | None  # share of candidates that obey it; None: never due
    any: float | None  # share of due rows with at least one candidate that obeys it


class Audit(Record):
    """What the prompted teacher can do, and what was made of it."""

    rules: dict[str, RuleAudit]
    strict: RuleAudit
    by_order: list[float]  # strict share of the candidates of each order of the worked examples
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
        strict=_audited([(a.row, strict(v, rules)) for a, v in judged]),
        by_order=_by_order(judged, rules),
        selection=selection,
    )
    write_text(run.audit, result.model_dump_json(indent=1) + "\n")
    return result


def _rule(judged: Sequence[Judged], rule: str) -> RuleAudit:
    outcomes = {"pass": True, "fail": False}
    return _audited(
        [(a.row, outcomes.get(v.outcome)) for a, vs in judged for v in vs if v.rule == rule]
    )


def _audited(scores: Sequence[tuple[str, bool | None]]) -> RuleAudit:
    """From (row, obeyed) pairs; None: nothing was decided there."""
    by_row: dict[str, list[bool]] = defaultdict(list)
    for row, obeyed in scores:
        if obeyed is not None:
            by_row[row].append(obeyed)
    if not by_row:
        return RuleAudit(due=0, one=None, any=None)
    decided = [obeyed for values in by_row.values() for obeyed in values]
    return RuleAudit(
        due=len(by_row),
        one=sum(decided) / len(decided),
        any=sum(map(any, by_row.values())) / len(by_row),
    )


def _by_order(judged: Sequence[Judged], rules: RuleFile) -> list[float]:
    by_sample: dict[int, list[bool]] = defaultdict(list)
    for answer, verdicts in judged:
        by_sample[answer.sample].append(strict(verdicts, rules) is True)
    return [sum(values) / len(values) for _, values in sorted(by_sample.items())]
