"""The answer to the run's main question in words, and what a reader must know before trusting it.

Plain text for every page alike; leaves the measuring to the judge and the layout to the templates.
"""

from collections.abc import Iterator

from data.records import Record
from judge.records import Comparison, ReferenceScore, RuleScore, StrictScore
from prompts.check_settings import LlmCheck
from prompts.rules import ScoredRule
from report.formats import interval, p_value, percent, points
from report.gather import TEACHER, RunFiles

FEW_ROWS = 30  # rows below which intervals are too wide to tell much


class Gap(Record):
    """The share of the gap between base and teacher that the best student closes."""

    value: float | None
    low: float | None
    high: float | None
    refused: str | None  # why it is not stated
    n: int  # rows decided in all three arms


def gap_of(material: RunFiles) -> Gap:
    """The gap that the best student closes, or why it is not known."""
    if material.judged is None:
        return _refused("not run: the answers have not been judged")
    if material.student is None:
        return _refused("not run: no best student has been chosen")
    for gap in material.judged.scores.gaps:
        if gap.student == material.student:
            return Gap(**gap.model_dump(exclude={"student"}))
    return _refused("not run: base, teacher or student has no verdicts")


def _refused(reason: str) -> Gap:
    return Gap(value=None, low=None, high=None, refused=reason, n=0)


def headline(gap: Gap) -> str:
    """One sentence."""
    if gap.value is None:
        reason = gap.refused or "no reason was noted"
        return f"How much of the gap the student closes is not stated: {reason}."
    return (
        f"The student closes {percent(gap.value)} {interval(gap.low, gap.high)} of the gap "
        "between the base and the prompted teacher."
    )


def strict_of(material: RunFiles, arm: str) -> StrictScore | None:
    """The strict score of an arm; None when it was not judged."""
    found = material.judged.scores.arms.get(arm) if material.judged else None
    return found.strict if found else None


def rule_of(material: RunFiles, arm: str, rule: str) -> RuleScore | None:
    """The score of one rule on an arm; None when it was not judged."""
    found = material.judged.scores.arms.get(arm) if material.judged else None
    return found.rules.get(rule) if found else None


def reference_of(material: RunFiles, arm: str) -> ReferenceScore | None:
    """The reference metrics of an arm."""
    found = material.judged.scores.arms.get(arm) if material.judged else None
    return found.reference if found else None


def compared(material: RunFiles, against: str, what: str = "strict") -> Comparison | None:
    """The best student against another arm; None when they were not compared."""
    for one in material.judged.scores.comparisons if material.judged else ():
        if (one.student, one.against, one.what) == (material.student, against, what):
            return one
    return None


def said(comparison: Comparison | None) -> str:
    """A strict comparison in words."""
    if comparison is None:
        return "Student and teacher were not compared."
    one = comparison
    if one.difference is None or one.low is None or one.high is None:
        return f"Student and {one.against} share too few decided rows ({one.n}) to be compared."
    return (
        f"Student − {one.against} on the same {one.n} rows: {points(one.difference)} "
        f"{interval(one.low, one.high)}; {one.better} rows only the student gets right, "
        f"{one.worse} only the {one.against}; exact McNemar {p_value(one.p)}. {_meaning(one)}"
    )


def _meaning(one: Comparison) -> str:
    clear = one.p is not None and one.p < 0.05  # where interval and test disagree, neither wins
    if clear and one.low is not None and one.low > 0:
        return f"The student is better than the {one.against} on rows like these."
    if clear and one.high is not None and one.high < 0:
        return f"The student is worse than the {one.against} on rows like these."
    return "No clear difference; that is not proof that the two are equal."


def llm_rules(material: RunFiles) -> tuple[ScoredRule, ...]:
    """The rules that a language model decides."""
    due = material.rules.scored_rules()
    return tuple(one for one in due if isinstance(one.rule.check, LlmCheck))


def warnings(material: RunFiles) -> tuple[str, ...]:
    """What weakens the headline."""
    return (
        *_selection(material),
        *_missing(material),
        *_few(material),
        *_judge(material),
    )


def _selection(material: RunFiles) -> Iterator[str]:
    """Choosing on the rows that are reported makes the reported number look better than it is."""
    choice = material.choice
    if choice is None:
        return
    students = len(choice.ranked)
    epochs = max((student.epochs for student in material.config.students), default=1)
    tried = (
        sum(trial.strict is not None for trial in material.search.trials) if material.search else 0
    )
    if max(students, tried, epochs) < 2:
        return
    what = f"best of {students} students" if students > 1 else "student's best epoch"
    if tried > 1:
        what += f", after {tried} trials of a search,"
    yield (
        f"Selection optimism: the {what} was chosen on the same val rows on which it is scored "
        f"here, so its number is somewhat too high. {_unseen(material)}"
    )


def _unseen(material: RunFiles) -> str:
    hidden = material.quality.splits.get("hidden") if material.quality else None
    if hidden is not None and hidden.unlabelled == hidden.rows:
        return (
            "The hidden rows cannot correct it: they carry no labels, so not every rule can be "
            "decided on them."
        )
    return "An unbiased number needs labelled rows that no choice has looked at."


def _missing(material: RunFiles) -> Iterator[str]:
    for arm in material.arms:
        score = strict_of(material, arm)
        if score is not None and score.missing:
            yield (
                f"{arm}: {score.missing} of {score.n + score.missing} rows are undecided; its "
                f"strict adherence lies between {percent(score.low_bound)} (all of them fail) and "
                f"{percent(score.high_bound)} (all pass)."
            )


def _few(material: RunFiles) -> Iterator[str]:
    score = strict_of(material, TEACHER)
    if score is not None and score.n < FEW_ROWS:
        yield f"Only {score.n} rows are decided: every interval here is wide."


def _judge(material: RunFiles) -> Iterator[str]:
    note = material.judged.judge if material.judged else None
    must = [due.id for due in llm_rules(material) if due.must]
    if note is None or not must:
        return
    if note.same_as_base:
        yield (
            f"The rules {', '.join(must)} count for strict adherence and are decided by a judge "
            "that is the student's own base model."
        )
    elif not note.calibrated:
        yield (
            f"The rules {', '.join(must)} count for strict adherence and are decided by a judge "
            "that has not been calibrated against people."
        )
