"""Which rules are asked about in one call."""

from collections.abc import Sequence
from itertools import groupby

from config.judging import JudgeSettings
from prompts.check_settings import LlmCheck
from prompts.rules import Rule, ScoredRule


def rule_batches(
    scored_rules: Sequence[ScoredRule], settings: JudgeSettings
) -> list[list[ScoredRule]]:
    """The rules of each call, in the rule file's order, up to `rules_per_call` together.

    A batch holds rules that see the same texts and are sampled alike. The batches are the same for
    all rows, and rules that do not apply are left out, so a new ruling on applicability changes
    only the calls that ask about that rule. A rule and its converse count as one: only one of them
    is ever asked about.
    """
    alike: dict[object, list[list[ScoredRule]]] = {}
    for _, same_rule in groupby(scored_rules, lambda scored: scored.rule.id):
        with_converse = list(same_rule)
        alike.setdefault(_batch_kind(with_converse[0].rule, settings), []).append(with_converse)
    size = settings.rules_per_call
    return [
        [scored for with_converse in rules[start : start + size] for scored in with_converse]
        for rules in alike.values()
        for start in range(0, len(rules), size)
    ]


def _batch_kind(rule: Rule, settings: JudgeSettings) -> object:
    if not isinstance(rule.check, LlmCheck):  # the model only says whether the rule applies
        return rule.id
    return frozenset(rule.check.sees), settings.samples_of(rule.severity == "must")
