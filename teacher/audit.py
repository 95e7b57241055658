"""The audit: how well the prompted model follows each rule before any training.

It is the ceiling for the students. Four ways to answer the logged train rows are compared, each
with one answer per row: the base without the prompt, the prompted model's first candidate, its best
candidate, and its best one when guided candidates count too.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import get_args

from config.schema import Config
from data.answers import Answer, How
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
from teacher.probes.build import RuleCoverage, coverage
from teacher.scored_candidate import ScoredCandidate
from teacher.scoring import Candidates
from teacher.selection import Selection

_HOW: tuple[How, ...] = get_args(How)


class PassShare(Record):
    """Share of rows whose answer passes."""

    value: float | None  # None: no row has a verdict
    n: int  # rows with a verdict

    @property
    def interval(self) -> Interval | None:
        """95 % interval of the share."""
        return None if self.value is None else wilson(round(self.value * self.n), self.n)


class RuleAudit(Record):
    """One rule, or the strict score, over the train rows."""

    base: PassShare
    first: PassShare
    best: PassShare  # the best candidate of each row
    guided: PassShare | None  # the best one, guided ones included; None: none were drawn


class OrderAudit(Record):
    """The candidates of one order of the worked examples; later orders see only unsettled rows."""

    candidates: int
    strict: PassShare


class ProbeAudit(Record):
    """The probes of one kind."""

    rows: int
    rows_selected: int  # with an answer to learn


class Audit(Record):
    """What the prompted model achieves on logged rows, and what was selected to learn."""

    scored_with_llm: bool  # False: code rules alone; LLM rules have no verdict
    rules: dict[str, RuleAudit]
    strict: RuleAudit
    by_order: tuple[OrderAudit, ...]
    selection: dict[str, Selection]  # by split
    coverage: dict[str, RuleCoverage] = {}  # rule → training rows that it applies to
    probes: dict[str, ProbeAudit] = {}  # by kind
    # conditional rule → how the selected answers came about that were given where it is due → rows
    taught: dict[str, dict[How, int]] = {}


def audit(
    config: Config, rules: RuleFile, candidates: Candidates, selection: dict[str, Selection]
) -> Audit:
    """Writes `teacher/audit.json` from the candidates of the logged train rows."""
    run = RunPaths.of(config)
    training = list(run.training_rows(config))
    logged = {row.id for row in training if row.synthetic is None}
    sampled = [candidate for candidate in candidates.train if candidate.answer.row in logged]
    base = [candidate for row, candidate in candidates.base.items() if row in logged]
    obeys_all = partial(strict, must_rules=rules.must_rules)
    selected = list(read_records(run.selected, Answer))
    report = Audit(
        scored_with_llm=config.teacher.score_with_llm,
        rules={rule.id: compare(sampled, base, _passes(rule.id)) for rule in rules.scored_rules()},
        strict=compare(sampled, base, obeys_all),
        by_order=tuple(_by_order(sampled, obeys_all)),
        selection=selection,
        coverage=coverage(rules, training),
        probes=_audit_probes(training, selected),
        taught=_count_taught(rules, candidates.due, selected),
    )
    write_text(run.audit, report.model_dump_json(indent=1) + "\n")
    return report


def _audit_probes(rows: Sequence[Row], selected: Iterable[Answer]) -> dict[str, ProbeAudit]:
    selected_rows = {answer.row for answer in selected}
    probes = {row.id: row.synthetic for row in rows if row.synthetic is not None}
    selections = Counter(kind for row, kind in probes.items() if row in selected_rows)
    return {
        kind: ProbeAudit(rows=count, rows_selected=selections[kind])
        for kind, count in Counter(probes.values()).items()
    }


def _count_taught(
    rules: RuleFile, due: Mapping[str, Sequence[str]], selected: Sequence[Answer]
) -> dict[str, dict[How, int]]:
    rows = Counter(
        (rule, how)
        for row, how in {(answer.row, answer.how) for answer in selected}
        for rule in due.get(row, ())
    )
    return {
        rule.id: {how: rows[rule.id, how] for how in _HOW if rows[rule.id, how]}
        for rule in rules.conditional_rules
    }


Decide = Callable[[Sequence[Verdict]], bool | None]  # whether an answer passes; None: no verdict


def _passes(rule: str) -> Decide:
    passed = {"pass": True, "fail": False}
    return lambda verdicts: next(
        (passed.get(verdict.outcome) for verdict in verdicts if verdict.rule == rule), None
    )


def compare(
    candidates: Sequence[ScoredCandidate], base: Iterable[ScoredCandidate], decide: Decide
) -> RuleAudit:
    """The pass share of each way to answer."""
    sampled = [candidate for candidate in candidates if candidate.answer.how == "sampled"]
    any_guided = len(sampled) < len(candidates)
    return RuleAudit(
        base=_share(base, decide),
        first=_share((first for first in sampled if first.answer.sample == 0), decide),
        best=_share(_best_per_row(sampled), decide),
        guided=_share(_best_per_row(candidates), decide) if any_guided else None,
    )


def _share(answers: Iterable[ScoredCandidate], decide: Decide) -> PassShare:
    decisions = [decide(answer.verdicts) for answer in answers]
    passes = [passed for passed in decisions if passed is not None]
    return PassShare(value=sum(passes) / len(passes) if passes else None, n=len(passes))


def _best_per_row(candidates: Sequence[ScoredCandidate]) -> list[ScoredCandidate]:
    best: dict[str, ScoredCandidate] = {}
    for candidate in candidates:
        row = candidate.answer.row
        if row not in best or candidate.rank < best[row].rank:
            best[row] = candidate
    return list(best.values())


def _by_order(candidates: Sequence[ScoredCandidate], decide: Decide) -> Iterator[OrderAudit]:
    by_sample: dict[int, list[ScoredCandidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.answer.how == "sampled":
            by_sample[candidate.answer.sample].append(candidate)
    for _, of_order in sorted(by_sample.items()):
        yield OrderAudit(candidates=len(of_order), strict=_share(of_order, decide))
