"""Four strict scores of one answer, by which must-rules they rest on.

`strict` is the score of the run, `strict without labels` that of the hidden set. `code_strict`
leaves out what a language model has a part in, so it is there without a server.
`code_strict_blind` also leaves out the rules whose condition reads the labels or the comment: those
know in part what people said, and prove nothing when held against it.
"""

from collections.abc import Callable, Iterable, Sequence

from data.rows import Row
from judge.checks.applicability import by_model, needs_label
from judge.metrics.verdict_table import DECIDABLE, STRICT, VerdictTable, build_verdict_table
from judge.verdict import Verdict
from prompts.rules import RuleFile, ScoredRule

CODE_STRICT = "code_strict"
BLIND = "code_strict_blind"


def views(rules: RuleFile) -> dict[str, RuleFile]:
    """The rule files that the four scores rest on, by name."""
    return {
        STRICT: rules,
        DECIDABLE: _only(rules, lambda due: not needs_label(due.rule)),
        CODE_STRICT: _only(rules, lambda due: not by_model(due)),
        BLIND: _only(rules, lambda due: not by_model(due) and not needs_label(due.rule)),
    }


def _only(rules: RuleFile, keep: Callable[[ScoredRule], bool]) -> RuleFile:
    kept = tuple(rule for rule in rules.rules if keep(ScoredRule(id=rule.id, rule=rule)))
    return rules.model_copy(update={"rules": kept})


def boards(
    rules: RuleFile, rows: Sequence[Row], verdicts: Iterable[Verdict]
) -> dict[str, VerdictTable]:
    """The verdicts on the board of each view that has must-rules."""
    listed = list(verdicts)
    made = {}
    for name, view in views(rules).items():
        ids = {due.id for due in view.scored_rules()}
        if view.must_rules:
            made[name] = build_verdict_table(view, rows, [one for one in listed if one.rule in ids])
    return made
