"""The ceiling: how often the prompted model obeys each rule, before any training."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from config.schema import Config
from data.answers import Answer, read_answers
from data.records import Record
from data.rows import Row
from data.run import Run
from data.selected import Selected
from data.store import read_records, write_text
from judge.board import strict
from prompts.library import Prompt
from prompts.rules import RuleFile
from teacher.coverage import Coverage, coverage
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


class ProbeAudit(Record):
    """The probes of one kind."""

    rows: int
    kept: int  # of them with an answer to learn


class Audit(Record):
    """What the prompted teacher can do on logged rows, and what was made of it and of probes."""

    rules: dict[str, RuleAudit]
    strict: RuleAudit
    by_order: tuple[OrderAudit, ...]
    selection: dict[str, Selection]  # split → what became of its candidates
    coverage: dict[str, Coverage] = {}  # rule → the training rows that it is due on
    probes: dict[str, ProbeAudit] = {}  # kind of the made rows among them → what they gave


def audit(
    config: Config, prompt: Prompt, rules: RuleFile, selection: dict[str, Selection]
) -> Audit:
    """Writes `teacher/audit.json` from the candidates of the train rows."""
    run = Run.of(config)
    training = run.training(config)
    rows = {row.id: row for row in training}
    answers = read_answers(run.answers("candidates/train"))
    logged = [answer for answer in answers if rows[answer.row].synthetic is None]
    judged = judged_candidates(logged, rows, rules, prompt)
    result = Audit(
        rules={due.id: _rule(judged, due.id) for due in rules.due_rules()},
        strict=audited([(a, strict(v, rules)) for a, v in judged]),
        by_order=tuple(_by_order(judged, rules)),
        selection=selection,
        coverage=coverage(rules, training),
        probes=_probes(training, list(read_records(run.selected, Selected))),
    )
    write_text(run.audit, result.model_dump_json(indent=1) + "\n")
    return result


def _probes(rows: Sequence[Row], selected: Sequence[Selected]) -> dict[str, ProbeAudit]:
    learnt = {one.row for one in selected}
    found: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        if row.synthetic is not None:
            found[row.synthetic].append(row.id in learnt)
    return {kind: ProbeAudit(rows=len(kept), kept=sum(kept)) for kind, kept in found.items()}


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
