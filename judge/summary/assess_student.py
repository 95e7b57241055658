"""Assesses a judged split: how each conditional rule is followed and taught, and whether to serve.

Gathers what `judge.metrics.conditional_rules` measures and what `serving_decision` decides.
"""

from collections.abc import Mapping
from typing import NamedTuple

from config.generation import ProbeSettings
from config.schema import Config
from data.run_paths import RunPaths
from data.stored_file import is_stored
from judge.case_records import ConditionalRule, FragmentExample, ServeDecision
from judge.checks.rule_support import examples_showing
from judge.inputs import JudgedSplit, JudgeInputs
from judge.metrics.conditional_rules import (
    Fragments,
    find_fragments,
    score_conditional,
    share_with_fragments,
)
from judge.metrics.verdict_table import VerdictTable
from judge.summary.serving_decision import StudentEvidence, reasons_not_to_serve
from judge.teaching import Teaching, read_teaching
from prompts.rules import Rule


class Assessment(NamedTuple):
    """What `scores.json` or `hidden.json` says beside the scores."""

    conditional_rules: tuple[ConditionalRule, ...]
    serving: ServeDecision | None  # None: of the hidden set, or no best student is chosen


def assess(
    config: Config, inputs: JudgeInputs, table: VerdictTable, headline: str, split: JudgedSplit
) -> Assessment:
    """The assessment of every arm but the logged answers.

    `headline` is the strict score that decides whether to serve the best student.
    Raises DataError when the teacher's audit is broken.
    """
    run = RunPaths.of(config)
    teaching = read_teaching(run)
    arms = [arm for arm in table.verdicts if not arm.startswith("logged/")]
    fragments = {arm: find_fragments(table, arm, inputs.pairs) for arm in arms}
    rules = tuple(
        _conditional_rule(config, inputs, table, fragments, rule, teaching)
        for rule in inputs.rules.conditional_rules
    )
    student = f"student/{run.best_student()}" if is_stored(run.choice) else None
    if split == "hidden" or student not in arms or student is None:
        return Assessment(rules, None)
    evidence = StudentEvidence(
        student,
        table,
        headline,
        teaching,
        rules,
        share_with_fragments(table, student, fragments[student]),
        _longest_example(rules, student),
        config.teacher.guided,
    )
    reasons = tuple(reasons_not_to_serve(evidence))
    return Assessment(rules, ServeDecision(student=student, reasons=reasons))


def _conditional_rule(
    config: Config,
    inputs: JudgeInputs,
    table: VerdictTable,
    fragments: Mapping[str, Fragments],
    rule: Rule,
    teaching: Teaching,
) -> ConditionalRule:
    taught = teaching.of_rule(rule.id)
    floor = (config.probes or ProbeSettings()).floor
    return ConditionalRule(
        rule=rule.id,
        must=rule.severity == "must",
        arms={arm: score_conditional(table, arm, rule, fragments[arm]) for arm in fragments},
        worked_examples=examples_showing(rule, inputs.rules, inputs.prompt),
        taught=taught,
        floor=floor,
        advice=None if taught is None or sum(taught.values()) >= floor else _advice(config),
    )


def _advice(config: Config) -> str:
    """What gives a rule more rows to learn from."""
    remedies = [] if config.teacher.guided else ["teacher.guided: true"]
    remedies.append("probes: {}" if config.probes is None else "more questions in probes.bank")
    return f"{', '.join(remedies)}, or more train rows where it is due"


def _longest_example(rules: tuple[ConditionalRule, ...], student: str) -> FragmentExample | None:
    examples = [rule.arms[student].example for rule in rules]
    with_fragment = [example for example in examples if example is not None]
    return max(with_fragment, key=lambda example: len(example.fragment), default=None)
