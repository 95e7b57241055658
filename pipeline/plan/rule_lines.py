"""On how many rows each rule is due, and what is wrong with the rules' conditions."""

from collections.abc import Mapping, Sequence

from data.rows import Row
from data.run_paths import Split
from judge.checks.applicability import applicable, asks_model
from judge.checks.rule_support import due_warnings, example_warnings
from judge.checks.unmatched_conditions import unmatched_conditions
from prompts.check_settings import LlmCheck
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile, ScoredRule


def rule_lines(rules: RuleFile, splits: Mapping[Split, Sequence[Row]]) -> list[str]:
    """A table: rule, severity, and the rows of each split on which it is due."""
    scored = rules.scored_rules()
    names = [name for name, rows in splits.items() if rows]
    width = max(len(rule.id) for rule in scored)
    heads = " ".join(f"{name:>7}" for name in names)
    lines = [f"rules: rows on which each is due\n  {'':<{width}} {'':<6} {heads}"]
    undecided = False
    for rule in scored:
        due = [_due(rule, splits[name]) for name in names]
        undecided |= any("?" in count for count in due)
        counts = " ".join(count.rjust(7) for count in due)
        note = "  a model decides" if isinstance(rule.rule.check, LlmCheck) else ""
        severity = rule.rule.severity
        lines.append(f"  {rule.id:<{width}} {severity:<6} {counts}{note}")
    return lines + ["  ?: rows without labels, on which this is not known"] * undecided


def _due(scored: ScoredRule, rows: Sequence[Row]) -> str:
    """The count; `?`: some rows lack the labels that would decide it."""
    if asks_model(scored.rule):
        return "asked"
    decided = [applicable(scored.rule, row) for row in rows]
    count = sum(due is (not scored.converse) for due in decided)
    if None in decided:
        return f"{count:,}+?" if count else "?"
    return f"{count:,}"


def rule_warnings(
    rules: RuleFile, prompt: Prompt, splits: Mapping[Split, Sequence[Row]], probes: bool
) -> list[str]:
    """Conditions that match no row, rules that nothing teaches, rules that no example shows."""
    logged = [row for name in ("train", "val") for row in splits[name]]
    unmatched = unmatched_conditions(rules, logged)
    return [
        *unmatched.values(),
        *due_warnings(rules, splits["train"], probes, unmatched),
        *example_warnings(rules, prompt),
    ]
