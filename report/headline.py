"""The answer to the run's main question in one sentence, and the strict comparison in words.

Plain text for every page.
"""

from judge.records import Comparison, GapScore
from report.formats import interval, p_value, percent, signed_points
from report.run_files import RunFiles


def best_gap(material: RunFiles) -> GapScore:
    """The share of the gap that the best student closes, or why it is not known."""
    student = material.student or ""
    if material.judged is None:
        return _refused(student, "not run: the answers have not been judged")
    if material.student is None:
        return _refused(student, "not run: no best student has been chosen")
    for gap in material.judged.scores.gaps:
        if gap.student == student:
            return gap
    return _refused(student, "not run: base, teacher or student has no verdicts")


def _refused(student: str, reason: str) -> GapScore:
    return GapScore(student=student, value=None, low=None, high=None, refused=reason, n=0)


def headline_sentence(gap: GapScore) -> str:
    """The headline."""
    if gap.value is None:
        reason = gap.refused or "no reason was recorded"
        return f"How much of the gap the student closes is not stated: {reason}."
    return (
        f"The student closes {percent(gap.value)} {interval(gap.low, gap.high)} of the gap "
        "between the base and the prompted teacher."
    )


def comparison_sentence(comparison: Comparison | None) -> str:
    """A strict comparison in words."""
    if comparison is None:
        return "Student and teacher were not compared."
    against, n = comparison.against, comparison.n
    if comparison.difference is None or comparison.low is None or comparison.high is None:
        return f"Student and {against} share too few decided rows ({n}) to be compared."
    return (
        f"Student − {against} on the same {n} rows: {signed_points(comparison.difference)} "
        f"{interval(comparison.low, comparison.high)}; {comparison.better} rows only the student "
        f"gets right, {comparison.worse} only the {against}; exact McNemar "
        f"{p_value(comparison.p)}. {_conclusion(comparison, comparison.low, comparison.high)}"
    )


def _conclusion(comparison: Comparison, low: float, high: float) -> str:
    # where interval and test disagree, the difference is not clear
    clear = comparison.p is not None and comparison.p < 0.05
    if clear and (low > 0 or high < 0):
        word = "better" if low > 0 else "worse"
        return f"The student is {word} than the {comparison.against} on rows like these."
    return "No clear difference; that is not proof that the two are equal."
