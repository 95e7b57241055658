"""Mutation tests of the code rules: one rule is broken in an answer that passes it.

Sensitivity is the share of mutants that fail the rule, specificity the share of harmless copies
that pass it. Where a model decides whether the rule applies, it is taken to apply: only the check
is tested.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from data.answers import Answer
from data.records import Record, digest
from data.rows import Row, question_key
from data.visible_text import has_visible_text
from judge.calibration.mutation.case import (
    LoggedPairs,
    MutationCase,
    MutationOperator,
    comply,
    retype,
)
from judge.calibration.mutation.operators import CONVERSE_OPERATORS, MUTATION_OPERATORS
from judge.checks.applicability import applicable, asks_model
from judge.checks.check import check_context, normalised_answer
from judge.checks.kinds import CheckContext, run_check
from judge.metrics.interval import Interval
from judge.metrics.stats import rate
from prompts.check_settings import LlmCheck, Phrase
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile, ScoredRule

MUTATION_CASES = 20  # answers per rule at most


class OperatorKills(Record):
    """The mutants of one operator."""

    mutants: int
    killed: int  # mutants that fail the rule
    sensitivity: Interval | None  # killed / mutants, clustered by question


class MutationScore(Record):
    """One scored rule under all its mutation operators, or the reason why it was not tested."""

    rule: str
    check: str  # type of the check
    must: bool
    phrase_inserted: bool = False  # no logged answer passes: the rule's phrase was inserted first
    operators: dict[str, OperatorKills] = {}
    copies: int = 0
    specificity: Interval | None = None  # of the harmless copies
    not_covered: str | None = None


def mutation_scores(rules: RuleFile, prompt: Prompt, pairs: LoggedPairs) -> list[MutationScore]:
    """A score per rule with a code check, in the order of the rule file."""
    context = check_context(rules, prompt)
    return [
        MutationScore(
            rule=scored.id,
            check=scored.rule.check.type,
            must=scored.must,
            **_measured(scored, pairs, context),
        )
        for scored in rules.scored_rules()
        if not isinstance(scored.rule.check, LlmCheck)
    ]


def _measured(scored: ScoredRule, pairs: LoggedPairs, context: CheckContext) -> dict[str, Any]:
    kind = scored.rule.check.type
    operators = (CONVERSE_OPERATORS if scored.converse else MUTATION_OPERATORS).get(kind)
    if operators is None:
        return {"not_covered": f"no operator for the converse of a check {kind}"}
    cases, inserted = _cases(scored, pairs, context)
    if not cases:
        applies = _applicable_pairs(scored, pairs)
        return {"not_covered": "no logged answer passes" if applies else "applies to no row"}
    kills = dict(_kills(scored, operators, cases))
    if not kills:
        return {"not_covered": "no operator can break it"}
    copies_pass = [_passes(scored, case, retype(kind, case.answer)) for case in cases]
    return {
        "phrase_inserted": inserted,
        "operators": kills,
        "copies": len(cases),
        "specificity": rate(copies_pass, [question_key(case.row) for case in cases]),
    }


def _applicable_pairs(scored: ScoredRule, pairs: LoggedPairs) -> list[tuple[Row, Answer]]:
    """Answers to rows where the rule applies, or only a model could tell; in order of a hash."""
    rule, due = scored.rule, not scored.converse
    applying = [
        (row, answer)
        for row, answer in pairs
        if answer.usable and (asks_model(rule) or applicable(rule, row) is due)
    ]
    return sorted(applying, key=lambda pair: digest([pair[0].id, pair[1].arm]))


def _cases(
    scored: ScoredRule, pairs: LoggedPairs, context: CheckContext
) -> tuple[list[MutationCase], bool]:
    """Answers that pass the rule, and whether its phrase had to be inserted for that."""
    others = sorted({(question_key(row), answer.text) for row, answer in pairs if answer.usable})
    cases = []
    for index, (row, answer) in enumerate(_applicable_pairs(scored, pairs)):
        if text := normalised_answer(answer.text, context.normalise):
            other = _other_answer(index, question_key(row), others)
            cases.append(MutationCase(row, text, other, context))
    passing = [case for case in cases if _passes(scored, case, case.answer)]
    demand = scored.rule.check
    if passing or scored.converse or not isinstance(demand, Phrase):
        return passing[:MUTATION_CASES], False
    edited = [case._replace(answer=comply(demand, case.answer)) for case in cases]
    return [case for case in edited if _passes(scored, case, case.answer)][:MUTATION_CASES], True


def _other_answer(index: int, question: str, others: Sequence[tuple[str, str]]) -> str:
    """An answer to another question; "" when there is none."""
    rotated = (others[(index + step) % len(others)] for step in range(len(others)))
    return next((text for other_question, text in rotated if other_question != question), "")


def _kills(
    scored: ScoredRule, operators: dict[str, MutationOperator], cases: Sequence[MutationCase]
) -> Iterator[tuple[str, OperatorKills]]:
    """Operator name → its kills; an operator that applies to no answer is left out."""
    for name, operator in operators.items():
        mutants = [
            (case, text)
            for case in cases
            if (text := operator(scored.rule.check, case)) and text.strip() and text != case.answer
        ]
        failed = [not _passes(scored, case, text) for case, text in mutants]
        if failed:
            interval = rate(failed, [question_key(case.row) for case, _ in mutants])
            kills = OperatorKills(mutants=len(failed), killed=sum(failed), sensitivity=interval)
            yield name, kills


def _passes(scored: ScoredRule, case: MutationCase, text: str) -> bool:
    assert not isinstance(scored.rule.check, LlmCheck)
    normalised = normalised_answer(text, case.context.normalise)
    result = run_check(scored.rule.check, case.row, normalised, case.context)
    return has_visible_text(normalised) and result.passed != scored.converse
