"""The answer to the run's main question in one sentence, the strict comparison, and caveats.

Plain text for every page.
"""

from collections.abc import Iterator

from judge.records import TEACHER, Comparison, GapScore
from report.formats import interval, p_value, percent, signed_points
from report.run_files import RunFiles, TrainingFiles

FEW_ROWS = 30  # rows below which intervals are too wide to tell much


def best_gap(material: RunFiles) -> GapScore:
    """The share of the gap that the best student closes, or why it is not known."""
    student = material.student or ""
    for gap in material.judged.scores.gaps if material.judged else ():
        if gap.student == student:
            return gap
    reason = "base, teacher or student has no verdicts"
    if material.judged is None:
        reason = "the answers have not been judged"
    elif material.student is None:
        reason = "no best student has been chosen"
    refused = f"not run: {reason}"
    return GapScore(student=student, refused=refused, n=0)


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
    against, n, low, high = comparison.against, comparison.n, comparison.low, comparison.high
    if comparison.difference is None or low is None or high is None:
        return f"Student and {against} share too few decided rows ({n}) to be compared."
    conclusion = "No clear difference; that is not proof that the two are equal."
    # where interval and test disagree, the difference is not clear
    if comparison.p is not None and comparison.p < 0.05 and (low > 0 or high < 0):
        word = "better" if low > 0 else "worse"
        conclusion = f"The student is {word} than the {against} on rows like these."
    return (
        f"Student − {against} on the same {n} rows: {signed_points(comparison.difference)} "
        f"{interval(low, high)}; {comparison.better} rows only the student gets right, "
        f"{comparison.worse} only the {against}; exact McNemar {p_value(comparison.p)}. "
        f"{conclusion}"
    )


def list_caveats(material: RunFiles) -> Iterator[str]:
    """What weakens the headline: one sentence or two per caveat."""
    yield from _selection_optimism(material)
    for arm in material.arms:
        score = material.strict(arm)
        if score is not None and score.missing:
            yield (
                f"{arm}: {score.missing} of {score.n + score.missing} rows are undecided; its "
                f"strict adherence lies between {percent(score.low_bound)} (all of them fail) and "
                f"{percent(score.high_bound)} (all pass)."
            )
    teacher = material.strict(TEACHER)
    if teacher is not None and teacher.n < FEW_ROWS:
        yield f"Only {teacher.n} rows are decided: every interval here is wide."
    note = material.judged.judge if material.judged else None
    must = [scored.id for scored in material.llm_checked if scored.must]
    if note is not None and must and (note.same_as_base or not note.calibrated):
        flaw = "has not been calibrated against people"
        if note.same_as_base:
            flaw = "is the student's own base model"
        yield (
            f"The rules {', '.join(must)} count for strict adherence and are decided by a judge "
            f"that {flaw}."
        )


def _selection_optimism(material: RunFiles) -> Iterator[str]:
    """Choosing on the reported rows makes the reported number look better than it is."""
    students = len(material.choice.ranked) if material.choice else 0
    checkpoints = max(
        (_checkpoints(training) for training in material.training.values()), default=1
    )
    trials = material.search.trials if material.search else ()
    scored = sum(trial.strict is not None for trial in trials)
    if not material.choice or max(students, scored, checkpoints) < 2:
        return
    what = f"best of {students} students" if students > 1 else "student's best checkpoint"
    if scored > 1:
        what += f", after {scored} trials of a search,"
    remedy = "An unbiased number needs labelled rows that no choice has used."
    hidden = material.quality.splits.get("hidden") if material.quality else None
    if hidden is not None and hidden.unlabelled == hidden.rows:
        remedy = (
            "The hidden rows cannot correct it: they carry no labels, so not every rule can be "
            "decided on them."
        )
    yield (
        f"Selection optimism: the {what} was chosen on the same val rows on which it is scored "
        f"here, so its number is somewhat too high. {remedy}"
    )


def _checkpoints(training: TrainingFiles) -> int:
    """How many checkpoints of a student were evaluated."""
    return sum(step.val_loss is not None for step in training.steps)
