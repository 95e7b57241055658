"""Whether anything speaks against serving the best student: reasons, each with what would help.

A reason needs evidence: where too little is measured to tell, there is none. The thresholds are
low: a student that reaches them all may still be poor, and `judge.gate` asks for more.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from judge.case_records import ConditionalRule, CountedShare, FragmentExample, ServeReason
from judge.metrics.conditional_rules import ordinary_answers
from judge.metrics.interval import Interval, format_difference, format_share
from judge.metrics.stats import paired_difference
from judge.metrics.verdict_table import AnswerKey, VerdictTable
from judge.records import BASE, TEACHER
from judge.teaching import Teaching

# Of the rows: one that obeys on fewer leaves four of five users without what the prompt promises.
FEW_OBEYED = 0.2
# Of ordinary rows: one that obeys on so many need not beat a base that does so too.
MOST_OBEYED = 0.9
# Answers to learn: a share of the train rows, within these numbers. Below 30 a student repeats the
# few that it saw; 500 are enough, whatever their share.
LEARNT_SHARE, LEAST_LEARNT, ENOUGH_LEARNT = 0.15, 30, 500
# Of the answers, by the lower end of the interval: on 60 rows that is about one in ten. The demo's
# arms have none.
FRAGMENTS_SHARE = 0.05


class StudentEvidence(NamedTuple):
    """What is known of a student."""

    student: str  # arm
    table: VerdictTable
    headline: str  # name of the strict score that is compared
    teaching: Teaching
    rules: Sequence[ConditionalRule]
    fragments: CountedShare  # answers of the student with a fragment of any rule
    example: FragmentExample | None
    guided: bool  # whether guided candidates were drawn already

    @property
    def more_obedience(self) -> str:
        """What makes a teacher obey on more rows."""
        guided = "" if self.guided else "guided candidates (teacher.guided: true), "
        return f"a larger base, {guided}a shorter prompt"


def reasons_not_to_serve(evidence: StudentEvidence) -> Iterator[ServeReason]:
    """The reasons, none for a student that is fine."""
    yield from _few_obey(evidence)
    yield from _few_learnt(evidence)
    for rule in evidence.rules:
        if rule.must:
            yield from _not_taught(rule, rule.arms[evidence.student].obeyed)
    yield from _not_better(evidence)
    yield from _fragments(evidence)


def _few_obey(evidence: StudentEvidence) -> Iterator[ServeReason]:
    """A teacher that hardly obeys, unless its student obeys more often all the same."""
    table, score = evidence.table, evidence.headline
    if TEACHER not in table.verdicts:
        return
    teacher, student = (
        table.rate(table.decided(arm, score), table.optimism(arm, score))
        for arm in (TEACHER, evidence.student)
    )
    if teacher is None or student is None:
        return
    if teacher.high < FEW_OBEYED and student.low <= FEW_OBEYED:
        yield ServeReason(
            check="few_obey",
            finding=(
                f"The teacher obeys on {_format(teacher)} of the rows and the student on "
                f"{_format(student)}, which is not clearly more than {FEW_OBEYED:.0%}"
            ),
            remedy=f"{evidence.more_obedience}; worked examples of every kind",
        )


def _few_learnt(evidence: StudentEvidence) -> Iterator[ServeReason]:
    train = evidence.teaching.selection.get("train")
    if train is None:
        return
    wanted = min(max(LEAST_LEARNT, LEARNT_SHARE * train.rows), ENOUGH_LEARNT)
    if train.rows_selected < wanted:
        yield ServeReason(
            check="few_learnt",
            finding=(
                f"Only {train.rows_selected} of {train.rows} train rows have an answer to learn, "
                f"fewer than {wanted:.0f}"
            ),
            remedy=f"more train rows, more worked examples, {evidence.more_obedience}",
        )


def _not_taught(rule: ConditionalRule, obeyed: CountedShare) -> Iterator[ServeReason]:
    """A rule that nothing shows, or that the student hardly obeys where it is due."""
    remedy = rule.advice or "more train rows on which it is due, a larger base"
    if rule.worked_examples == 0 and rule.taught_rows == 0:
        yield ServeReason(
            check="not_taught",
            finding=f"No worked example shows the rule {rule.rule}, and no train row taught it",
            remedy=f"a worked example that shows it; {remedy}",
        )
    elif obeyed.high is not None and obeyed.high < FEW_OBEYED:
        yield ServeReason(
            check="not_learnt",
            finding=(
                f"The rule {rule.rule} is due on {obeyed.n} rows, and the student obeys it on "
                f"{obeyed.count} of them"
            ),
            remedy=remedy,
        )


def _not_better(evidence: StudentEvidence) -> Iterator[ServeReason]:
    """A student that is not clearly better than the base, on all rows or on the ordinary ones."""
    table, student = evidence.table, evidence.student
    ordinary = set(ordinary_answers(table, student))
    decided = table.decided(student, evidence.headline)
    obeyed = [passed for key, passed in decided.items() if key in ordinary]
    rows = {"rows": set(table.verdicts[student])}
    if sum(obeyed) < MOST_OBEYED * len(obeyed):
        rows["ordinary rows, where no conditional rule is due"] = ordinary
    for name, keys in rows.items():
        n, gain = _gain(evidence, keys)
        if gain is not None and gain.low <= 0:
            unclear = f"; more val rows, if the {n} are too few to tell" if gain.value > 0 else ""
            yield ServeReason(
                check="not_better",
                finding=(
                    f"The student is not clearly better than the base without the prompt on {n} "
                    f"{name}: {format_difference(gain.value, gain.low, gain.high)}"
                ),
                remedy=f"more ordinary rows to learn, {evidence.more_obedience}{unclear}",
            )
            return


def _gain(evidence: StudentEvidence, keys: Collection[AnswerKey]) -> tuple[int, Interval | None]:
    """The rows among these that are decided in both, and student − base on them."""
    table, score = evidence.table, evidence.headline
    if BASE not in table.verdicts:
        return 0, None
    student, base = table.decided(evidence.student, score), table.decided(BASE, score)
    both = [key for key in student if key in base and key in keys]
    first, second = ([passed[key] for key in both] for passed in (student, base))
    optimism = table.optimism(evidence.student, score)
    return len(both), paired_difference(first, second, table.clusters(both), optimism)


def _fragments(evidence: StudentEvidence) -> Iterator[ServeReason]:
    share, example = evidence.fragments, evidence.example
    if example is not None and share.low is not None and share.low > FRAGMENTS_SHARE:
        yield ServeReason(
            check="fragments",
            finding=(
                f"{share.count} of {share.n} answers hold a fragment of a fixed sentence where it "
                f"is not due, such as “{example.fragment}”"
            ),
            remedy=(
                f"a rule with converse: true whose check contains “{example.fragment}”, so that "
                "no such answer is learnt; more ordinary rows to learn"
            ),
        )


def _format(rate: Interval) -> str:
    return format_share(rate.value, rate.low, rate.high)
