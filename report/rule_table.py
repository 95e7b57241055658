"""The tables of scores by rule and arm, and of missing verdicts."""

from collections import Counter
from dataclasses import dataclass

from judge.records import TEACHER, Comparison, RuleScore, StrictScore
from prompts.rules import ScoredRule
from report.run_files import RunFiles


@dataclass(frozen=True)
class RuleRow:
    """One rule over the arms."""

    scored: ScoredRule
    scores: tuple[RuleScore | None, ...]  # in the order of `RunFiles.arms`
    against_teacher: Comparison | None


def build_rule_rows(material: RunFiles) -> list[RuleRow]:
    """The rules that code decides, and the must-rules."""
    optional = {scored.id for scored in material.llm_checked if not scored.must}
    rules = material.rules.scored_rules()
    return [_row(material, scored) for scored in rules if scored.id not in optional]


def build_llm_rows(material: RunFiles) -> list[RuleRow]:
    """The rules that a language model decides."""
    return [_row(material, scored) for scored in material.llm_checked]


def _row(material: RunFiles, scored: ScoredRule) -> RuleRow:
    scores = tuple(material.rule(arm, scored.id) for arm in material.arms)
    return RuleRow(scored, scores, material.comparison(TEACHER, scored.id))


def logged_scores(material: RunFiles) -> list[tuple[str, StrictScore]]:
    """The strict scores of the logged answers, by answering system."""
    arms = material.judged.scores.arms if material.judged else {}
    return [(arm, score.strict) for arm, score in arms.items() if arm.startswith("logged/")]


def missing_reasons(material: RunFiles) -> list[tuple[str, str, Counter[str]]]:
    """Arm, kind of rule, and counts of the reasons; without the arms that miss no verdict."""
    llm_checked = {scored.id for scored in material.llm_checked}
    rows = []
    for arm in material.arms:
        score = material.score(arm)
        counts: dict[str, Counter[str]] = {"code": Counter(), "llm": Counter()}
        for rule, rule_score in score.rules.items() if score else ():
            missing = {str(reason): count for reason, count in rule_score.missing.items()}
            counts["llm" if rule in llm_checked else "code"].update(missing)
        rows += [(arm, kind, reasons) for kind, reasons in counts.items() if reasons]
    return rows
