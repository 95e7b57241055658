"""From verdicts to scores: rates with intervals and bounds, comparisons, gap closed, slices.

Missing verdicts are counted and bounded, never taken for a fail or a pass. A slice is the rows with
one value of a field, such as a tag: exploratory, and not shown below SLICE_ROWS decided rows.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

from config.errors import DataError
from data.rows import Row
from judge.checks.applicability import must_rules_by_model
from judge.metrics.correct_choice import ChosenStudent, correct_choice
from judge.metrics.interval import Measurement
from judge.metrics.paired import compare_students, gap_scores
from judge.metrics.stats import rule_of_three
from judge.metrics.trained_optimism import strict_cases
from judge.metrics.verdict_table import (
    BY_CODE,
    BY_CODE_LABEL_FREE,
    LABEL_FREE,
    STRICT,
    AnswerKey,
    VerdictTable,
    build_verdict_table,
)
from judge.records import (
    BASE,
    TEACHER,
    ArmScore,
    BoundedRate,
    RuleScore,
    RuleSlice,
    Scores,
    SliceScore,
    StrictScore,
)
from judge.reference.records import ReferenceScore
from judge.verdict import Missing, Verdict
from prompts.rules import RuleFile, ScoredRule, rules_sha256

SLICE_ROWS = 10  # decided rows from which a slice is shown


def score(
    rules: RuleFile,
    rows: Sequence[Row],
    verdicts: Iterable[Verdict],
    references: Mapping[str, ReferenceScore] | None = None,
    seed: int = 0,
    chosen: ChosenStudent | None = None,
) -> Scores:
    """The scores of every arm that has verdicts, with its reference metrics if it has any.

    Those of the `chosen` student are corrected for its choice. Raises DataError when a verdict
    names an unknown row or rule, or `slices` an unknown field.
    """
    table = build_verdict_table(rules, rows, verdicts)
    compared = _compared_arms(table, chosen)
    headline = table.headline(compared)
    if chosen is not None and chosen.arm in table.verdicts:
        cases = {row.id: strict_cases(rules, row) for row in rows}
        table = correct_choice(table, chosen, headline, seed, cases)
    slices = slice_rows(rules.slices, rows)
    parts = _slice_scores(table, slices, headline)
    shown = tuple(part for part in parts if part.strict.n >= SLICE_ROWS)
    return Scores(
        rules_sha256=rules_sha256(rules),
        rows=len(rows),
        arms={arm: _arm_score(table, arm, (references or {}).get(arm)) for arm in table.verdicts},
        comparisons=tuple(compare_students(table)),
        gaps=tuple(gap_scores(table, headline, seed)),
        slices=shown,
        slices_hidden=len(slices) - len({(part.field, part.value) for part in shown}),
        headline=headline,
        headline_label_free=table.headline(compared, needs_labels=False),
        not_judged=_not_judged(table, compared),
        choice=table.choice,
    )


def _compared_arms(table: VerdictTable, chosen: ChosenStudent | None) -> list[str]:
    """The arms whose strict scores are compared: base, teacher and the chosen student, or all."""
    students = table.students if chosen is None else [chosen.arm]
    return [arm for arm in (BASE, TEACHER, *students) if arm in table.verdicts]


def _not_judged(table: VerdictTable, arms: Sequence[str]) -> tuple[str, ...]:
    """The must-rules of a language model that have no verdict at all on one of these arms."""
    return tuple(
        rule
        for rule in must_rules_by_model(table.rules)
        if any(
            all(by_rule[rule].outcome == "missing" for by_rule in table.verdicts[arm].values())
            for arm in arms
        )
    )


def _arm_score(table: VerdictTable, arm: str, reference: ReferenceScore | None) -> ArmScore:
    answers = table.verdicts[arm]
    return ArmScore(
        strict=strict_score(table, arm, answers, STRICT),
        label_free=strict_score(table, arm, answers, LABEL_FREE),
        by_code=strict_score(table, arm, answers, BY_CODE),
        by_code_label_free=strict_score(table, arm, answers, BY_CODE_LABEL_FREE),
        rules={rule.id: _rule_score(table, arm, rule) for rule in table.rules.scored_rules()},
        reference=reference,
    )


def _rule_score(table: VerdictTable, arm: str, rule: ScoredRule) -> RuleScore:
    decided = table.decided(arm, rule.id)
    missing: Counter[Missing] = Counter(
        by_rule[rule.id].reason or "not_run"
        for by_rule in table.verdicts[arm].values()
        if by_rule[rule.id].outcome == "missing"
    )
    if unanswered := table.unanswered(arm):
        missing["unanswered"] += unanswered
    passes = sum(decided.values())
    no_fail = bool(decided) and passes == len(decided)
    return RuleScore(
        **dict(_bounded_rate(table, decided, missing.total())),
        must=rule.must,
        applicable=len(decided) + missing.total(),
        scored=len(decided),
        passes=passes,
        missing=dict(missing),
        failures_at_most=rule_of_three(len(set(table.clusters(decided)))) if no_fail else None,
    )


def strict_score(
    table: VerdictTable,
    arm: str,
    answers: Collection[AnswerKey],
    score: str,
    rows: Collection[str] | None = None,
) -> StrictScore:
    """A strict score of an arm on some of its answers, to these rows; None: to all.

    A row without an answer is missing: a rate of the answered ones alone would hide the others.
    """
    of_arm = table.strict_answers(arm, score)
    counted = {key: of_arm[key] for key in answers if key in of_arm}
    decided = {key: answer.decided for key, answer in counted.items() if answer.decided is not None}
    missing = len(counted) - len(decided) + table.unanswered(arm, rows)
    failed = sum(answer.certain is False for key, answer in counted.items() if key not in decided)
    bounded = _bounded_rate(table, decided, missing, failed, table.optimism(arm, score))
    return StrictScore(**dict(bounded), n=len(decided), missing=missing)


def _bounded_rate(
    table: VerdictTable,
    decided: Mapping[AnswerKey, bool],
    missing: int,
    failed: int = 0,
    optimism: float = 0.0,
) -> BoundedRate:
    """The rate of the decided answers; of the missing ones `failed` fail in any case."""
    interval = table.rate(decided, optimism)
    passes, total = sum(decided.values()), len(decided) + missing
    return BoundedRate(
        rate=interval.value if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        low_bound=passes / total if total else None,
        high_bound=(passes + missing - failed) / total if total else None,
    )


def slice_rows(fields: Sequence[str], rows: Sequence[Row]) -> dict[tuple[str, str], set[str]]:
    """Field and value → ids of the rows; a row with several labels is in several slices.

    The slices of each field in turn, by value. Raises DataError for an unknown field.
    """
    slices: dict[tuple[str, str], set[str]] = defaultdict(set)
    for field in fields:
        members = ((value, row.id) for row in rows for value in _values(field, row))
        for value, row_id in sorted(members):
            slices[field, value].add(row_id)
    return slices


def _values(field: str, row: Row) -> list[str]:
    if field.startswith("tags."):
        tag = row.tags.get(field.removeprefix("tags."))
        return [] if tag is None else [tag]
    if field == "labels":
        return list(row.labels or ())
    raise DataError(f"rule file: slices: unknown field {field!r}; use tags.… or labels")


def _slice_scores(
    table: VerdictTable, slices: Mapping[tuple[str, str], set[str]], score: str
) -> Iterator[SliceScore]:
    for (field, value), rows in slices.items():
        for arm, answers in table.verdicts.items():
            strict = strict_score(
                table, arm, [key for key in answers if key[0] in rows], score, rows
            )
            yield SliceScore(arm=arm, field=field, value=value, strict=strict)


def rule_slices(table: VerdictTable, rows: Sequence[Row], arm: str) -> Iterator[RuleSlice]:
    """The must-rules of one arm on every slice with at least SLICE_ROWS decided answers."""
    decided = {rule: table.decided(arm, rule) for rule in table.rules.must_rules}
    for (field, value), ids in slice_rows(table.rules.slices, rows).items():
        for rule, passed in decided.items():
            inside = {key: ok for key, ok in passed.items() if key[0] in ids}
            interval = table.rate(inside)
            if interval is not None and len(inside) >= SLICE_ROWS:
                rate = Measurement(**asdict(interval), n=len(inside))
                yield RuleSlice(field=field, value=value, rule=rule, rate=rate)
