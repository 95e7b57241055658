"""The code rules on the logged answers of some rows: counts, and two examples of each outcome.

Asks no model. A rule whose condition a model decides is tried on all answers, due or not.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from data.answers import Answer, logged_answers
from data.rows import Row
from judge.checks.applicability import applicable, asks_model
from judge.checks.check import check_applied, check_context
from judge.checks.kinds import CheckContext
from judge.verdict import Verdict
from prompts.check_settings import LlmCheck
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile, ScoredRule

_EXAMPLES = 2  # of each outcome

TriedOutcome = Literal["pass", "fail"]


class TriedAnswer(NamedTuple):
    """A logged answer with the verdict of a rule."""

    row: str
    system: str
    text: str
    evidence: str  # what the check found


class RuleTrial(NamedTuple):
    """One rule on all rows."""

    scored: ScoredRule
    due: int | None  # rows on which it is due; None: a language model decides that
    undecided: int  # rows without the labels that would decide it
    by_system: dict[tuple[TriedOutcome, str], int]  # answers by outcome and answering system
    unread: int  # answers too long for the check
    examples: dict[TriedOutcome, tuple[TriedAnswer, ...]]

    @property
    def runs(self) -> bool:
        """Whether code decides the check."""
        return not isinstance(self.scored.rule.check, LlmCheck) and not (
            self.due is None and self.scored.converse
        )

    def count(self, outcome: TriedOutcome) -> int:
        """The answers with this outcome."""
        return sum(count for (result, _), count in self.by_system.items() if result == outcome)


def run_trials(rules: RuleFile, prompt: Prompt, rows: Sequence[Row]) -> list[RuleTrial]:
    """Every scored rule on the rows and their logged answers, in the order of the file.

    Raises DataError when a regular expression takes too long.
    """
    pairs = [(row, logged_answers(row)) for row in rows]
    context = check_context(rules, prompt)
    return [_trial(scored, pairs, context) for scored in rules.scored_rules()]


def _trial(
    scored: ScoredRule, pairs: Sequence[tuple[Row, list[Answer]]], context: CheckContext
) -> RuleTrial:
    by_model = asks_model(scored.rule)
    due = undecided = unread = 0
    by_system: Counter[tuple[TriedOutcome, str]] = Counter()
    examples: dict[TriedOutcome, list[TriedAnswer]] = {"pass": [], "fail": []}
    trial = RuleTrial(scored, None if by_model else 0, 0, {}, 0, {})
    for row, answers in pairs:
        applies = True if by_model else applicable(scored.rule, row)
        undecided += applies is None
        is_due = applies is not None and applies != scored.converse
        due += is_due
        for answer in answers if is_due and trial.runs else ():
            verdict = check_applied(scored, applies, row, answer, context)
            if verdict.outcome not in ("pass", "fail"):
                unread += 1
                continue
            by_system[verdict.outcome, _system(answer)] += 1
            _keep(examples[verdict.outcome], answer, verdict)
    return trial._replace(
        due=None if by_model else due,
        undecided=undecided,
        by_system=dict(by_system),
        unread=unread,
        examples={outcome: tuple(tried) for outcome, tried in examples.items()},
    )


def _keep(examples: list[TriedAnswer], answer: Answer, verdict: Verdict) -> None:
    """Adds the answer unless there are enough, or one with the same text."""
    if len(examples) < _EXAMPLES and all(tried.text != answer.text for tried in examples):
        examples.append(TriedAnswer(answer.row, _system(answer), answer.text, verdict.note))


def _system(answer: Answer) -> str:
    return answer.arm.removeprefix("logged/")
