"""The answer to the run's main question in one sentence, the strict comparison, and caveats.

Plain text for every page.
"""

from collections.abc import Iterator

from config.training import LEAST_STEPS
from judge.records import TEACHER, Comparison, GapScore
from judge.summary.records import LabelDifference
from report.formats import interval, percent, signed_points
from report.run_files import RunFiles

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
    if low > 0 or high < 0:
        word = "better" if low > 0 else "worse"
        conclusion = f"The student is {word} than the {against} on rows like these."
    return (
        f"Student − {against} on the same {n} rows: {signed_points(comparison.difference)} "
        f"{interval(low, high)}; {comparison.better} rows only the student gets right, "
        f"{comparison.worse} only the {against}. {conclusion}"
    )


def label_difference_sentence(difference: LabelDifference | None) -> str:
    """The difference of student and teacher by people's labels; empty where there is none."""
    if difference is None:
        return ""
    if difference.value is None:
        return f"By people's labels of both arms: not stated, {difference.refused}."
    return (
        f"By people's labels of both arms (PPI++) the student's rate of good answers is "
        f"{signed_points(difference.value)} {interval(difference.low, difference.high)} beside "
        f"the {difference.against}'s: valid however the judge errs on either, reduced for the "
        f"choice of the student ({difference.labelled} and {difference.labelled_against} of "
        f"{difference.rows} rows labelled, {difference.labelled_both} in both arms)."
    )


def list_doubts(material: RunFiles) -> Iterator[str]:
    """What keeps a run from showing anything: one sentence with the way out per reason."""
    for name, training in material.training.items():
        result = training.result
        if result is not None and result.steps < LEAST_STEPS:
            yield (
                f"Student {name} took {result.steps} optimiser steps, fewer than {LEAST_STEPS}, on "
                f"{result.train_answers} answers: it is hardly different from its base. Set a "
                "smaller batch_size or more epochs, or give data.train more rows"
            )
    agreeing = material.summary.agreeing
    if agreeing is not None:
        yield (
            f"All {len(agreeing.arms)} arms ({', '.join(agreeing.arms)}) have the same verdicts on "
            f"all {agreeing.rows} val rows: these rules and rows tell nothing apart. Look at the "
            "report's examples, and give the rules checks that fail on answers that you find bad"
        )


def list_caveats(material: RunFiles) -> Iterator[str]:
    """What weakens the headline: one sentence or two per caveat."""
    yield from _choices(material)
    for arm in material.arms:
        score = material.strict(arm)
        if score is not None and score.missing:
            yield (
                f"{arm}: {score.missing} of {score.n + score.missing} rows lack a verdict and are "
                f"left out; with them its {material.strict_name} lies between "
                f"{percent(score.low_bound)} (all of them fail) and "
                f"{percent(score.high_bound)} (all that can do pass)."
            )
    teacher = material.strict(TEACHER)
    if teacher is not None and teacher.n < FEW_ROWS:
        yield f"Only {teacher.n} rows are decided: every interval here is wide."
    note = material.judged.judge if material.judged else None
    must = [scored.id for scored in material.llm_checked if scored.must]
    stated = material.strict_name == "strict adherence"
    if note is not None and stated and must and (note.same_as_base or not note.calibrated):
        flaw = "has not been calibrated against people"
        if note.same_as_base:
            flaw = "is the student's own base model"
        yield (
            f"The rules {', '.join(must)} count for strict adherence and are decided by a judge "
            f"that {flaw}."
        )


def _choices(material: RunFiles) -> Iterator[str]:
    """What was chosen on the rows that score it, as far as no correction allows for it."""
    judged, choice = material.judged, material.choice
    if judged is None or choice is None:
        return
    scores = judged.scores
    sentence = scores.not_stated(scores.headline)
    if sentence is not None:
        yield sentence
    correction = scores.choice
    if correction is None or correction.student != material.student:
        if len(choice.ranked) > 1:
            yield (
                f"The best of {len(choice.ranked)} students was chosen on the rows that score it, "
                "so its number is too high. Run `unprompted judge CONFIG score` again: it corrects "
                "for the choice."
            )
        return
    yield from correction.sentences
    training = material.training.get(choice.best)
    evaluations = [step for step in training.steps if step.val_loss is not None] if training else []
    if len(evaluations) > 1 and correction.evaluations == 1 and correction.unseen is None:
        yield (
            f"Not corrected: the student's best checkpoint was chosen from {len(evaluations)} "
            f"evaluations on {evaluations[0].val_rows} of these val rows, whose answers are not on "
            "record. Training anew stores them."
        )
