"""Which rules are asked about in one call."""

from collections.abc import Sequence
from itertools import groupby

from config.judging import JudgeSettings
from prompts.check_settings import LlmCheck
from prompts.rules import Rule, ScoredRule


def batches(dues: Sequence[ScoredRule], settings: JudgeSettings) -> list[list[ScoredRule]]:
    """The rules in the rule file's order, up to `rules_per_call` together; each is in one batch.

    Together are rules that see the same and are sampled alike. They are drawn up once for all rows,
    so that of a row only the calls change that ask about a rule which was not known to be due; what
    is not due is left out. A rule and its converse, of which never both are asked, count as one.
    """
    alike: dict[object, list[list[ScoredRule]]] = {}
    for _, both in groupby(dues, lambda due: due.rule.id):
        one = list(both)
        alike.setdefault(_kind(one[0].rule, settings), []).append(one)
    size = settings.rules_per_call
    return [
        [due for one in rules[start : start + size] for due in one]
        for rules in alike.values()
        for start in range(0, len(rules), size)
    ]


def _kind(rule: Rule, settings: JudgeSettings) -> object:
    if not isinstance(rule.check, LlmCheck):  # the model only says whether it is due
        return rule.id
    return frozenset(rule.check.sees), settings.samples_of(rule.severity == "must")
