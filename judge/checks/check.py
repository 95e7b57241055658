"""Decides the checks that are code: what an answer says, against what its rule demands.

Leaves each kind of check to `judge.checks.kinds` and the language model's verdicts to `judge.llm`.
An empty answer obeys nothing.
"""

from typing import Literal, NamedTuple

from data.answers import Answer
from data.rows import Row
from judge.checks.applicability import applicable, asks_model, compiled
from judge.checks.kinds import CheckContext, met
from judge.verdict import Missing, Outcome, Verdict
from prompts.prompt_file import Prompt
from prompts.rules import LlmCheck, Normalise, Phrase, RuleFile, ScoredRule


class Verdictish(NamedTuple):
    """A verdict without the names of arm, row and rule."""

    outcome: Outcome
    reason: Missing | None = None
    note: str = ""


def check_context(rules: RuleFile, prompt: Prompt) -> CheckContext:
    """The context of every check of a rule file."""
    phrases = tuple(rule.check.text for rule in rules.rules if isinstance(rule.check, Phrase))
    return CheckContext(prompt, rules.normalise, phrases)


def normalised_answer(answer: str, normalise: Normalise) -> str:
    """The answer without the footer and the prefix that are no part of it."""
    text = answer.strip()
    if normalise.strip_footer:
        text = compiled(normalise.strip_footer).sub("", text).strip()
    if normalise.drop_prefix:
        prefix = compiled(normalise.drop_prefix).match(text)
        text = text[prefix.end() :].strip() if prefix else text
    return text


def check(due: ScoredRule, row: Row, answer: str, context: CheckContext) -> Verdictish:
    """The verdict of a code rule whose applicability the row itself decides.

    Raises ValueError for a rule that asks a language model.
    """
    return check_due(due, applicable(due.rule, row), row, answer, context)


def check_due(
    due: ScoredRule, applies: bool | None, row: Row, answer: str, context: CheckContext
) -> Verdictish:
    """The verdict of a code check where `applies` is known (None: the row's labels are missing)."""
    said = normalised_answer(answer, context.normalise)
    early = without_check(due, applies, said)
    if early is not None:
        return early
    if isinstance(due.rule.check, LlmCheck):
        raise ValueError(f"rule {due.rule.id}: a language model decides it")
    finding = met(due.rule.check, row, said, context)
    return Verdictish("pass" if finding.met != due.undue else "fail", note=finding.note)


def without_check(due: ScoredRule, applies: bool | None, answer: str) -> Verdictish | None:
    """The verdict that needs no look at the rule's check; None when one is needed."""
    if applies is None:
        return Verdictish("missing", "unlabelled")
    if applies == due.undue:
        return Verdictish("not_applicable")
    if not says_something(answer):
        return Verdictish("fail", note="empty answer")
    return None


def says_something(answer: str) -> bool:
    """Whether anything of an answer can be seen: zero-width signs alone are an empty answer."""
    return any(sign.isprintable() and not sign.isspace() for sign in answer)


def code_verdicts(rules: RuleFile, prompt: Prompt, row: Row, answer: Answer) -> list[Verdict]:
    """The verdicts of all rules that no language model has a part in.

    An answer that was never asked (`too_long`) is missing wherever a rule may be due.
    """
    context = check_context(rules, prompt)
    verdicts = []
    for due in rules.scored_rules():
        if isinstance(due.rule.check, LlmCheck) or asks_model(due.rule):
            continue
        if answer.finish == "too_long":
            found = unasked(due, applicable(due.rule, row))
        else:
            found = check(due, row, answer.text, context)
        verdicts.append(named(found, due, answer))
    return verdicts


def unasked(due: ScoredRule, applies: bool | None) -> Verdictish:
    """The verdict on an answer that does not exist because its prompt did not fit."""
    if applies == due.undue:  # so in every arm: all arms keep the same denominators
        return Verdictish("not_applicable")
    return Verdictish("missing", "overflow")


def named(
    found: Verdictish, due: ScoredRule, answer: Answer, by: Literal["code", "llm"] = "code"
) -> Verdict:
    """The record of a rule's verdict."""
    return Verdict(
        arm=answer.arm,
        row=answer.row,
        sample=answer.sample,
        rule=due.id,
        outcome=found.outcome,
        reason=found.reason,
        by=by,
        note=found.note,
    )
