"""What weakens the headline: selection optimism, missing verdicts, few rows, an unproven judge."""

from collections.abc import Iterator

from judge.records import TEACHER
from report.formats import percent
from report.run_files import RunFiles

FEW_ROWS = 30  # rows below which intervals are too wide to tell much


def list_caveats(material: RunFiles) -> tuple[str, ...]:
    """One sentence or two per caveat."""
    return (
        *_selection(material),
        *_missing(material),
        *_few(material),
        *_judge(material),
    )


def _selection(material: RunFiles) -> Iterator[str]:
    """Choosing on the reported rows makes the reported number look better than it is."""
    choice = material.choice
    if choice is None:
        return
    students = len(choice.ranked)
    epochs = max((student.epochs for student in material.config.students), default=1)
    trials = material.search.trials if material.search else ()
    scored = sum(trial.strict is not None for trial in trials)
    if max(students, scored, epochs) < 2:
        return
    what = f"best of {students} students" if students > 1 else "student's best epoch"
    if scored > 1:
        what += f", after {scored} trials of a search,"
    yield (
        f"Selection optimism: the {what} was chosen on the same val rows on which it is scored "
        f"here, so its number is somewhat too high. {_remedy(material)}"
    )


def _remedy(material: RunFiles) -> str:
    hidden = material.quality.splits.get("hidden") if material.quality else None
    if hidden is not None and hidden.unlabelled == hidden.rows:
        return (
            "The hidden rows cannot correct it: they carry no labels, so not every rule can be "
            "decided on them."
        )
    return "An unbiased number needs labelled rows that no choice has used."


def _missing(material: RunFiles) -> Iterator[str]:
    for arm in material.arms:
        score = material.strict(arm)
        if score is not None and score.missing:
            yield (
                f"{arm}: {score.missing} of {score.n + score.missing} rows are undecided; its "
                f"strict adherence lies between {percent(score.low_bound)} (all of them fail) and "
                f"{percent(score.high_bound)} (all pass)."
            )


def _few(material: RunFiles) -> Iterator[str]:
    score = material.strict(TEACHER)
    if score is not None and score.n < FEW_ROWS:
        yield f"Only {score.n} rows are decided: every interval here is wide."


def _judge(material: RunFiles) -> Iterator[str]:
    note = material.judged.judge if material.judged else None
    must = [scored.id for scored in material.llm_checked if scored.must]
    if note is None or not must or (note.calibrated and not note.same_as_base):
        return
    flaw = "is the student's own base model"
    if not note.same_as_base:
        flaw = "has not been calibrated against people"
    yield (
        f"The rules {', '.join(must)} count for strict adherence and are decided by a judge that "
        f"{flaw}."
    )
