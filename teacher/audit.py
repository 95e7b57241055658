"""The ceiling: how well the prompted model obeys each rule, before any training.

Four ways to answer the train rows are held side by side, each with one answer per row: the base
without the prompt, the prompted model's first candidate, its best one, and its best one when what
was mended behind a failed one counts too.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from config.schema import Config
from data.answers import Answer
from data.atomic_write import write_text
from data.jsonl import read_records
from data.records import Record
from data.rows import Row
from data.run_paths import RunPaths
from judge.metrics.interval import Interval
from judge.metrics.stats import wilson
from judge.metrics.verdict_table import strict
from judge.verdict import Verdict
from prompts.rules import RuleFile
from teacher.probes.coverage import RuleCoverage, coverage
from teacher.rejection_sampling import Selection
from teacher.scoring import Candidates, ScoredCandidate, is_repaired, rank


class ObeyedShare(Record):
    """A share of rows."""

    value: float | None  # None: no row is decided
    n: int  # rows on which the rule is due and has a verdict

    @property
    def interval(self) -> Interval | None:
        """95 % interval of the share."""
        return None if self.value is None else wilson(round(self.value * self.n), self.n)


class RuleAudit(Record):
    """One rule over the train rows."""

    base: ObeyedShare
    first: ObeyedShare
    best: ObeyedShare  # the best candidate of each row: one at least, `teacher.candidates` at most
    repaired: ObeyedShare | None  # None: nothing was asked behind failed candidates


class OrderAudit(Record):
    """The candidates of one order of the worked examples; later ones see only unsettled rows."""

    asked: int
    strict: ObeyedShare  # of those where every must-rule is decided


class ProbeAudit(Record):
    """The probes of one kind."""

    rows: int
    kept: int  # of them with an answer to learn


class Audit(Record):
    """What the prompted teacher can do on logged rows, and what was made of it and of probes."""

    judged: bool  # False: by the code rules alone; the LLM rules have no verdict here
    rules: dict[str, RuleAudit]
    strict: RuleAudit
    by_order: tuple[OrderAudit, ...]
    selection: dict[str, Selection]  # split → what became of its candidates
    coverage: dict[str, RuleCoverage] = {}  # rule → the training rows that it is due on
    probes: dict[str, ProbeAudit] = {}  # kind of the made rows among them → what they gave


def audit(
    config: Config, rules: RuleFile, found: Candidates, selection: dict[str, Selection]
) -> Audit:
    """Writes `teacher/audit.json` from the candidates of the logged train rows."""
    must, run = rules.must_rules, RunPaths.of(config)
    training = list(run.training_rows(config))
    logged = {row.id for row in training if row.synthetic is None}
    drawn = [one for one in found.train if one.answer.row in logged]
    base = [one for row, one in found.base.items() if row in logged]
    result = Audit(
        judged=config.teacher.judged,
        rules={
            due.id: audited(drawn, base, must, _outcome(due.id)) for due in rules.scored_rules()
        },
        strict=audited(drawn, base, must, lambda verdicts: strict(verdicts, rules)),
        by_order=tuple(_by_order(drawn, rules)),
        selection=selection,
        coverage=coverage(rules, training),
        probes=_probes(training, list(read_records(run.selected, Answer))),
    )
    write_text(run.audit, result.model_dump_json(indent=1) + "\n")
    return result


def _probes(rows: Sequence[Row], selected: Sequence[Answer]) -> dict[str, ProbeAudit]:
    learnt = {one.row for one in selected}
    found: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        if row.synthetic is not None:
            found[row.synthetic].append(row.id in learnt)
    return {kind: ProbeAudit(rows=len(kept), kept=sum(kept)) for kind, kept in found.items()}


Decides = Callable[[Sequence[Verdict]], bool | None]  # of an answer; None: nothing is decided


def _outcome(rule: str) -> Decides:
    outcomes = {"pass": True, "fail": False}
    return lambda verdicts: next(
        (outcomes.get(one.outcome) for one in verdicts if one.rule == rule), None
    )


def audited(
    candidates: Sequence[ScoredCandidate],
    base: Iterable[ScoredCandidate],
    must: Collection[str],
    decides: Decides,
) -> RuleAudit:
    """What one rule, or the strict score, says of each way to answer."""
    drawn = [one for one in candidates if not is_repaired(one.answer)]
    return RuleAudit(
        base=_share(base, decides),
        first=_share((one for one in drawn if one.answer.sample == 0), decides),
        best=_share(_best(drawn, must), decides),
        repaired=_share(_best(candidates, must), decides) if len(drawn) < len(candidates) else None,
    )


def _share(answers: Iterable[ScoredCandidate], decides: Decides) -> ObeyedShare:
    every = [decides(one.verdicts) for one in answers]
    decided = [obeyed for obeyed in every if obeyed is not None]
    return ObeyedShare(value=sum(decided) / len(decided) if decided else None, n=len(decided))


def _best(candidates: Sequence[ScoredCandidate], must: Collection[str]) -> list[ScoredCandidate]:
    by_row: dict[str, list[ScoredCandidate]] = defaultdict(list)
    for one in candidates:
        by_row[one.answer.row].append(one)
    return [min(of_row, key=lambda one: rank(one, must)) for of_row in by_row.values()]


def _by_order(candidates: Sequence[ScoredCandidate], rules: RuleFile) -> Iterator[OrderAudit]:
    by_sample: dict[int, list[ScoredCandidate]] = defaultdict(list)
    for one in candidates:
        if not is_repaired(one.answer):
            by_sample[one.answer.sample].append(one)
    for _, of_order in sorted(by_sample.items()):
        share = _share(of_order, lambda verdicts: strict(verdicts, rules))
        yield OrderAudit(asked=len(of_order), strict=share)
