"""Explains when Cohen's κ says little about the agreement of the judge with code."""

from judge.records import ShadowAgreement


def explain_kappa(agreement: ShadowAgreement) -> str | None:
    """Why κ says little about these two raters; None where it is meaningful."""
    code_passes = agreement.true_pass + agreement.false_fail
    code_fails = agreement.true_fail + agreement.false_pass
    judge_passes = agreement.true_pass + agreement.false_pass
    if not agreement.n:
        return "Code and judge decided no answer in common, so their agreement is unknown."
    if not code_passes or not code_fails:
        always, missed = ("fails", "passes") if not code_passes else ("passes", "fails")
        return (
            f"Code {always} all of these answers: whether the judge recognises one that {missed} "
            "is unknown, and κ means nothing here."
        )
    if judge_passes in (0, agreement.n):
        what = "passes" if judge_passes else "fails"
        return f"The judge {what} all of these answers, so it discriminates nothing (κ = 0)."
    return None
