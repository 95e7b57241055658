"""Four variants of the strict score, by the must-rules that they count.

`strict` is the score of the run and `strict without labels` the score of the hidden set.
`code_only` leaves out the rules that a language model takes part in, so it exists without a server.
`code_only_label_free` also leaves out the rules whose condition reads the labels or the comment:
these rules know in part what people said, so their agreement with people proves nothing.
"""

from collections.abc import Iterable, Sequence

from data.answers import Answer
from data.rows import Row
from judge.checks.applicability import by_model, needs_label
from judge.checks.check import verdict_on
from judge.metrics.verdict_table import LABEL_FREE, STRICT, VerdictTable, build_verdict_table
from judge.verdict import Verdict
from prompts.rules import RuleFile, ScoredRule

CODE_ONLY = "code_only"
CODE_ONLY_LABEL_FREE = "code_only_label_free"


def strict_variants(rules: RuleFile) -> dict[str, RuleFile]:
    """Variant → the rule file that it counts."""
    by_code = [rule for rule in rules.rules if not by_model(ScoredRule(id=rule.id, rule=rule))]
    counted = {
        STRICT: rules.rules,
        LABEL_FREE: [rule for rule in rules.rules if not needs_label(rule)],
        CODE_ONLY: by_code,
        CODE_ONLY_LABEL_FREE: [rule for rule in by_code if not needs_label(rule)],
    }
    return {
        name: rules.model_copy(update={"rules": tuple(rules_counted)})
        for name, rules_counted in counted.items()
    }


def with_missing(
    rules: RuleFile, pairs: Sequence[tuple[Row, Answer]], verdicts: Iterable[Verdict]
) -> list[Verdict]:
    """The verdicts, behind a missing one for every rule on every answer: of two the later counts.

    So an answer that no rule decided is in the tables too, undecided.
    """
    missing = (
        verdict_on(answer, scored, "missing", "not_run")
        for _, answer in pairs
        for scored in rules.scored_rules()
    )
    return [*missing, *verdicts]


def variant_tables(
    rules: RuleFile, rows: Sequence[Row], verdicts: Iterable[Verdict]
) -> dict[str, VerdictTable]:
    """The verdict table of each variant that has must-rules."""
    verdicts = list(verdicts)
    tables = {}
    for name, variant in strict_variants(rules).items():
        if variant.must_rules:
            ids = {scored.id for scored in variant.scored_rules()}
            counted = [verdict for verdict in verdicts if verdict.rule in ids]
            tables[name] = build_verdict_table(variant, rows, counted)
    return tables
