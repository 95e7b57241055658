"""Whether a rule applies to a row, as far as the row itself decides it.

Three values, not two: on an unlabelled row, a condition on labels is undecided.
"""

from config.errors import DataError
from data.bounded_regex import SlowRegex, search
from data.rows import Row
from prompts.check_settings import LlmCheck
from prompts.rules import Condition, Rule, RuleFile, ScoredRule, When

_LABEL_FIELDS = ("labels", "comment")  # written by people about the row


def asks_model(rule: Rule) -> bool:
    """Whether a language model decides if the rule applies."""
    return isinstance(rule.applies, When) and rule.applies.llm is not None


def by_model(scored: ScoredRule) -> bool:
    """Whether a language model takes part in the rule's verdicts."""
    return isinstance(scored.rule.check, LlmCheck) or asks_model(scored.rule)


def must_rules_by_model(rules: RuleFile) -> tuple[str, ...]:
    """The must-rules whose verdicts a language model takes part in."""
    return tuple(rule.id for rule in rules.scored_rules() if rule.must and by_model(rule))


def needs_label(rule: Rule) -> bool:
    """Whether an unlabelled row may leave it undecided if the rule applies."""
    return isinstance(rule.applies, When) and any(
        condition.field in _LABEL_FIELDS for condition in rule.applies.code
    )


def applicable(rule: Rule, row: Row) -> bool | None:
    """Whether the rule applies to the row; None when missing labels would decide it.

    Raises ValueError for a rule whose applicability a language model decides, DataError when a
    condition takes too long.
    """
    if rule.applies == "always":
        return True
    if asks_model(rule):
        raise ValueError(f"rule {rule.id}: a language model decides when it applies")
    try:
        decided = [condition_holds(condition, row) for condition in rule.applies.code]
    except SlowRegex as error:
        raise DataError(f"rule {rule.id}, row {row.id}: {error}") from None
    if False in decided:  # one false condition settles it, whatever the undecided ones are
        return False
    return None if None in decided else True


def condition_holds(condition: Condition, row: Row) -> bool | None:
    """Whether one condition holds on the row; None where it needs labels that the row lacks."""
    texts = _field(condition.field, row)
    if texts is None:
        return None
    matches = (search(condition.matches, text, ignore_case=True) for text in texts)
    return any(match is not None for match in matches) != condition.negate


def _field(field: str, row: Row) -> list[str] | None:
    """The texts of a row's field; a tag that the row lacks is an empty text."""
    if field in _LABEL_FIELDS and row.labels is None:
        return None
    if field.startswith("tags."):
        return [row.tags.get(field.removeprefix("tags."), "")]
    texts = {
        "question": [row.question],
        "contexts": ["\n".join(context.text for context in row.contexts)],
        "labels": list(row.labels or ()),
        "comment": [row.comment or ""],
    }
    return texts[field]
