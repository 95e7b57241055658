"""Verdicts of code rules: applicability, converse rules, empty and unanswered prompts.

`judge.checks.kinds` runs the checks, `judge.llm` asks the language model. An empty answer fails
every rule that applies.
"""

from config.errors import DataError
from data.answers import Answer
from data.bounded_regex import SlowRegex, without_matches, without_prefix
from data.rows import Row
from data.visible_text import has_visible_text
from judge.checks.applicability import applicable, by_model
from judge.checks.kinds import MOST_READ, CheckContext, characters_read, run_check
from judge.verdict import Missing, Outcome, Verdict
from prompts.check_settings import LlmCheck, Phrase
from prompts.prompt_file import Prompt
from prompts.rules import Normalise, RuleFile, ScoredRule

EMPTY_ANSWER = "empty answer"  # the note of a fail without a check


def check_context(rules: RuleFile, prompt: Prompt) -> CheckContext:
    """The context of every check of a rule file."""
    phrases = tuple(rule.check.text for rule in rules.rules if isinstance(rule.check, Phrase))
    return CheckContext(prompt, rules.normalise, phrases)


def normalised_answer(answer: str, normalise: Normalise) -> str:
    """The answer without the rule file's footer and prefix. Raises DataError when that is slow."""
    text = answer.strip()
    try:
        if normalise.strip_footer:
            text = without_matches(normalise.strip_footer, text).strip()
        if normalise.drop_prefix:
            text = without_prefix(normalise.drop_prefix, text).strip()
    except SlowRegex as error:
        raise DataError(f"normalise: {error}") from None
    return text


def check_applied(
    scored: ScoredRule, applies: bool | None, row: Row, answer: Answer, context: CheckContext
) -> Verdict:
    """The verdict of a code check. `applies` None: the row lacks the labels that would decide it.

    Raises ValueError for a rule that a language model decides, DataError when a regular expression
    takes too long. Missing where answer and sources are longer than MOST_READ: a check of a part
    could neither pass nor fail the whole.
    """
    text = normalised_answer(answer.text, context.normalise)
    early = verdict_without_check(scored, applies, answer, text)
    if early is not None:
        return early
    if isinstance(scored.rule.check, LlmCheck):
        raise ValueError(f"rule {scored.rule.id}: a language model decides it")
    length = characters_read(scored.rule.check, row, text, context)
    if length > MOST_READ:
        note = f"{length} characters of answer and sources; a check reads at most {MOST_READ}"
        return verdict_on(answer, scored, "missing", "overflow", note)
    try:
        result = run_check(scored.rule.check, row, text, context)
    except SlowRegex as error:
        raise DataError(f"rule {scored.rule.id}, row {row.id}: {error}") from None
    outcome: Outcome = "pass" if result.passed != scored.converse else "fail"
    return verdict_on(answer, scored, outcome, note=result.note)


def verdict_without_check(
    scored: ScoredRule, applies: bool | None, answer: Answer, text: str
) -> Verdict | None:
    """The verdict that does not depend on the rule's check; None when the check must run.

    `text` is the normalised answer. An answer that does not exist because its prompt did not fit
    (`too_long`) is missing wherever the rule may apply, so that all arms share their denominators.
    """
    if applies == scored.converse:
        return verdict_on(answer, scored, "not_applicable")
    if answer.finish == "too_long":
        return verdict_on(answer, scored, "missing", "overflow")
    if applies is None:
        return verdict_on(answer, scored, "missing", "unlabelled")
    if not has_visible_text(text):
        return verdict_on(answer, scored, "fail", note=EMPTY_ANSWER)
    return None


def code_verdicts(rules: RuleFile, prompt: Prompt, row: Row, answer: Answer) -> list[Verdict]:
    """The verdicts of all rules that no language model takes part in."""
    context = check_context(rules, prompt)
    return [
        check_applied(scored, applicable(scored.rule, row), row, answer, context)
        for scored in rules.scored_rules()
        if not by_model(scored)
    ]


def verdict_on(
    answer: Answer,
    scored: ScoredRule,
    outcome: Outcome,
    reason: Missing | None = None,
    note: str = "",
) -> Verdict:
    """The record of a rule's verdict on an answer."""
    return Verdict(
        arm=answer.arm,
        row=answer.row,
        sample=answer.sample,
        rule=scored.id,
        outcome=outcome,
        reason=reason,
        by="llm" if by_model(scored) else "code",
        note=note,
    )
