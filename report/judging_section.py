"""What the section on the judge says: missing verdicts by reason, and when κ says little."""

from collections import Counter

from judge.records import ShadowAgreement
from report.run_files import RunFiles


def missing_reasons(material: RunFiles) -> list[tuple[str, str, Counter[str]]]:
    """Arm, kind of rule, and counts of the reasons; without the arms that miss no verdict."""
    llm_checked = {scored.id for scored in material.llm_checked}
    rows = []
    for arm in material.arms:
        score = material.score(arm)
        counts: dict[str, Counter[str]] = {"code": Counter(), "llm": Counter()}
        for rule, rule_score in score.rules.items() if score else ():
            counts["llm" if rule in llm_checked else "code"].update(rule_score.missing)
        rows += [(arm, kind, reasons) for kind, reasons in counts.items() if reasons]
    return rows


def explain_kappa(agreement: ShadowAgreement) -> str | None:
    """Why Cohen's κ says little about these two raters; None where it is meaningful."""
    code_passes = agreement.true_pass + agreement.false_fail
    judge_passes = agreement.true_pass + agreement.false_pass
    if not agreement.n:
        return "Code and judge decided no answer in common, so their agreement is unknown."
    if code_passes in (0, agreement.n):
        always, missed = ("passes", "fails") if code_passes else ("fails", "passes")
        return (
            f"Code {always} all of these answers: whether the judge recognises one that {missed} "
            "is unknown, and κ means nothing here."
        )
    if judge_passes in (0, agreement.n):
        what = "passes" if judge_passes else "fails"
        return f"The judge {what} all of these answers, so it discriminates nothing (κ = 0)."
    return None
