"""Mutation tests of the code rules: one rule is broken in an answer that obeys it.

Sensitivity is the share of broken answers that fail the rule, specificity the share of harmless
copies that pass it. Where code decides the check and a model when it is due, the rule is taken as
due: the check is tested, not the model.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from data.answers import Answer
from data.records import Record, digest
from data.rows import Row, question_key
from judge.calibration.mutation.case import Breaker, MutationCase, Pairs, obeyed, retyped
from judge.calibration.mutation.content import BREAKERS as CONTENT
from judge.calibration.mutation.form import BREAKERS as FORM
from judge.calibration.mutation.form import UNDUE
from judge.checks.applicability import applicable, asks_model
from judge.checks.check import check_context, normalised_answer, says_something
from judge.checks.kinds import CheckContext, met
from judge.metrics.interval import Interval
from judge.metrics.stats import rate
from prompts.check_settings import LlmCheck, Phrase
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile, ScoredRule

CASES = 20  # answers per rule at most
BREAKERS: dict[str, dict[str, Breaker]] = {**FORM, **CONTENT}


class Caught(Record):
    """One way to break a rule."""

    n: int  # broken answers
    caught: int  # of them, those that fail the rule
    sensitivity: Interval | None  # interval clustered by question


class MutationScore(Record):
    """One due rule under all ways to break it, or why there is none."""

    rule: str
    check: str  # type of the check
    must: bool
    made: bool = False  # no logged answer obeys the rule: its phrase was put into them
    ways: dict[str, Caught] = {}
    copies: int = 0
    specificity: Interval | None = None  # of the harmless copies
    also_broken: dict[str, int] = {}  # other code rules → broken answers that fail them too
    not_covered: str | None = None


class _Found(NamedTuple):
    way: str
    case: MutationCase
    text: str


def mutation_scores(rules: RuleFile, prompt: Prompt, pairs: Pairs) -> list[MutationScore]:
    """A score per rule that code checks, in the order of the rule file."""
    context = check_context(rules, prompt)
    due = [one for one in rules.scored_rules() if not isinstance(one.rule.check, LlmCheck)]
    return [_score(one, due, pairs, context) for one in due]


def _score(
    due: ScoredRule, others: Sequence[ScoredRule], pairs: Pairs, context: CheckContext
) -> MutationScore:
    kind = due.rule.check.type
    blank = MutationScore(rule=due.id, check=kind, must=due.must)
    ways = (UNDUE if due.converse else BREAKERS).get(kind)
    if ways is None:
        reason = f"no way to write an answer that obeys a check {kind} where it is not due"
        return blank.model_copy(update={"not_covered": reason})
    cases, made = _cases(due, pairs, context)
    if not cases:
        reason = "due on no row" if not _due_pairs(due, pairs) else "no logged answer obeys it"
        return blank.model_copy(update={"not_covered": reason})
    broken = list(_broken(due, ways, cases))
    copies = [(case, retyped(kind, case.answer)) for case in cases]
    kept = [_passes(due, case, copy) for case, copy in copies]
    return blank.model_copy(
        update={
            "made": made,
            "ways": _by_way(due, broken),
            "copies": len(copies),
            "specificity": rate(kept, _clusters(cases)),
            "also_broken": _also(due, others, broken),
        }
    )


def _due(due: ScoredRule, row: Row) -> bool:
    """Whether this due rule is due on the row, or only a model could say so."""
    return asks_model(due.rule) or applicable(due.rule, row) is (not due.converse)


def _due_pairs(due: ScoredRule, pairs: Pairs) -> list[tuple[Row, Answer]]:
    found = [(row, answer) for row, answer in pairs if answer.usable and _due(due, row)]
    return sorted(found, key=lambda pair: digest([pair[0].id, pair[1].arm]))  # no order of the logs


def _cases(due: ScoredRule, pairs: Pairs, context: CheckContext) -> tuple[list[MutationCase], bool]:
    """Answers that obey the rule, and whether they had to be made to."""
    here = _due_pairs(due, pairs)
    said = [normalised_answer(answer.text, context.normalise) for _, answer in here]
    others = sorted({(question_key(row), answer.text) for row, answer in pairs if answer.usable})
    all_cases = [
        MutationCase(row, said[at], _other(at, question_key(row), others), context)
        for at, (row, _) in enumerate(here)
    ]
    obey = [case for case in all_cases if case.answer and _passes(due, case, case.answer)]
    demand = due.rule.check
    if obey or due.converse or not isinstance(demand, Phrase):
        return obey[:CASES], False
    made = [case._replace(answer=obeyed(demand, case.answer)) for case in all_cases if case.answer]
    return [case for case in made if _passes(due, case, case.answer)][:CASES], True


def _other(at: int, question: str, others: Sequence[tuple[str, str]]) -> str:
    """An answer to another question; "" when there is none."""
    turned = (others[(at + step) % len(others)] for step in range(len(others)))
    return next((text for asked, text in turned if asked != question), "")


def _broken(
    due: ScoredRule, ways: dict[str, Breaker], cases: Sequence[MutationCase]
) -> Iterator[_Found]:
    for way, breaker in ways.items():
        for case in cases:
            text = breaker(due.rule.check, case)
            if text is not None and text.strip() and text != case.answer:
                yield _Found(way, case, text)


def _passes(due: ScoredRule, case: MutationCase, text: str) -> bool:
    assert not isinstance(due.rule.check, LlmCheck)
    normalised = normalised_answer(text, case.context.normalise)
    finding = met(due.rule.check, case.row, normalised, case.context)
    return says_something(normalised) and finding.met != due.converse


def _by_way(due: ScoredRule, broken: Sequence[_Found]) -> dict[str, Caught]:
    """The ways that some answer offered."""
    ways = dict.fromkeys(one.way for one in broken)
    return {way: _caught(due, [one for one in broken if one.way == way]) for way in ways}


def _caught(due: ScoredRule, broken: Sequence[_Found]) -> Caught:
    failed = [not _passes(due, one.case, one.text) for one in broken]
    found = rate(failed, _clusters([one.case for one in broken]))
    return Caught(n=len(failed), caught=sum(failed), sensitivity=found)


def _also(
    due: ScoredRule, others: Sequence[ScoredRule], broken: Sequence[_Found]
) -> dict[str, int]:
    """Other code rules that the answer passed before it was broken and fails now."""
    counts: Counter[str] = Counter()
    for other in others:
        if other.id == due.id or asks_model(other.rule):
            continue
        for one in broken:
            here = _due(other, one.case.row) and _passes(other, one.case, one.case.answer)
            counts[other.id] += here and not _passes(other, one.case, one.text)
    return {rule: count for rule, count in counts.items() if count}


def _clusters(cases: Sequence[MutationCase]) -> list[str]:
    return [question_key(case.row) for case in cases]
