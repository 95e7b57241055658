"""What can teach a conditional rule: train rows where it is due, worked examples that show it."""

from collections.abc import Collection, Iterator, Sequence

from data.rows import Context, Row
from judge.checks.applicability import applicable, asks_model
from judge.checks.check import check_context, normalised_answer
from judge.checks.kinds import run_check
from prompts.check_settings import LlmCheck, Phrase
from prompts.prompt_file import Prompt
from prompts.rules import Rule, RuleFile

_DEMANDS = {
    "starts_with": "starts with",
    "ends_with": "ends with",
    "contains": "contains",
    "equals": "is",
    "asks": "asks with",
}


def examples_showing(rule: Rule, rules: RuleFile, prompt: Prompt) -> int | None:
    """The worked examples whose answer passes the rule's check; None: a model decides that."""
    if not prompt.examples:
        return 0
    if isinstance(rule.check, LlmCheck):
        return None
    context = check_context(rules, prompt)
    count = 0
    for example in prompt.examples:
        passages = tuple(Context(text=text) for text in example.contexts)
        row = Row(id="example", question=example.question, contexts=passages)
        answer = normalised_answer(example.answer, rules.normalise)
        count += run_check(rule.check, row, answer, context).passed
    return count


def rows_due(rule: Rule, rows: Sequence[Row]) -> int | None:
    """The rows on which the rule is known to be due; None: a model decides that."""
    return None if asks_model(rule) else sum(applicable(rule, row) is True for row in rows)


def due_warnings(
    rules: RuleFile, rows: Sequence[Row], probes: bool, besides: Collection[str] = ()
) -> Iterator[str]:
    """A line per conditional rule that is due on none of the train rows, with the fix.

    And one per rule where a model decides that. `probes`: whether made-up rows are among the rows.
    `besides`: ids of rules that have a line of another kind.
    """
    for rule in rules.conditional_rules:
        if rule.id in besides:
            continue
        due = rows_due(rule, rows)
        if due is None:
            yield (
                f"rule {rule.id}: a language model decides when it is due, so it is not known how "
                "many train rows can teach it; label rows and use a `code` condition to count them"
            )
        elif not due:
            fix = "give probes.bank such questions" if probes else "set probes: {} for made-up ones"
            unlabelled = sum(applicable(rule, row) is None for row in rows)
            lack = f" ({unlabelled} have no label)" if unlabelled else ""
            yield (
                f"rule {rule.id}: due on none of {len(rows)} train rows{lack}, so nothing teaches "
                f"it; add logged rows on which it is due, or {fix}"
            )


def example_warnings(rules: RuleFile, prompt: Prompt) -> Iterator[str]:
    """A line per conditional rule that no worked example shows, with the fix."""
    for rule in rules.conditional_rules:
        if examples_showing(rule, rules, prompt) == 0:
            demand = "obeys it"
            if isinstance(rule.check, Phrase):
                demand = f"{_DEMANDS[rule.check.type]} {rule.check.text!r}"
            yield (
                f"rule {rule.id}: no worked example shows it; add one to prompt.examples whose "
                f"answer {demand}"
            )
