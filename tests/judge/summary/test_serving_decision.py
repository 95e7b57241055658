"""Each reason not to serve a student by itself, and none for one that is fine."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from data.answers import How
from data.rows import Row
from judge.case_records import ConditionalRule, ConditionalScore, CountedShare, FragmentExample
from judge.metrics.stats import wilson
from judge.metrics.verdict_table import STRICT, VerdictTable, build_verdict_table
from judge.summary.serving_decision import StudentEvidence, reasons_not_to_serve
from judge.teaching import Teaching
from judge.verdict import Outcome, Verdict
from tests.judge.factories import make_row, make_rule, make_rules

STUDENT = "student/a"
RULES = make_rules(
    make_rule({"type": "contains", "text": "link"}, id="must"),
    make_rule(
        {"type": "contains", "text": "no"},
        id="refusal",
        applies={"code": [{"field": "labels", "matches": "off"}]},
        converse=True,
    ),
)
ROWS = [make_row(f"r{n}") for n in range(60)]
TAUGHT: dict[How, int] = {"sampled": 12}
DUE = 20  # the refusal is due on the first 20 rows, and the other 40 are ordinary


def share(count: int, n: int) -> CountedShare:
    """A share with Wilson's interval."""
    return CountedShare.of(count, n, wilson(count, n))


def outcome(passes: bool) -> Outcome:
    return "pass" if passes else "fail"


def table(strict: dict[str, tuple[int, int]], rows: list[Row] = ROWS) -> VerdictTable:
    """Arm → due rows and ordinary rows on which it obeys the must-rule."""
    verdicts = []
    for arm, (due, ordinary) in strict.items():
        for number, row in enumerate(rows):
            is_due = number < DUE
            passes = number < due if is_due else number - DUE < ordinary
            outcomes: dict[str, Outcome] = {
                "must": outcome(passes),
                "refusal": "pass" if is_due else "not_applicable",
                "refusal_converse": "not_applicable" if is_due else "pass",
            }
            verdicts += [
                Verdict(arm=arm, row=row.id, rule=rule, outcome=result)
                for rule, result in outcomes.items()
            ]
    return build_verdict_table(RULES, rows, verdicts)


@dataclass
class Case:
    """A student that is fine, unless something is changed."""

    base: tuple[int, int] = (0, 2)
    teacher: tuple[int, int] = (5, 20)
    student: tuple[int, int] = (15, 30)
    train_rows: int = 200
    selected: int = 80
    must: bool = True
    examples: int | None = 1
    taught: dict[How, int] | None = field(default_factory=lambda: TAUGHT)
    obeyed: CountedShare = field(default_factory=lambda: share(10, 20))
    fragments: CountedShare = field(default_factory=lambda: share(2, 60))
    guided: bool = False

    def reasons(self) -> dict[str, str]:
        """Check → finding and remedy."""
        score = ConditionalScore(obeyed=self.obeyed, said=share(1, 40))
        rule = ConditionalRule(
            rule="refusal",
            must=self.must,
            arms={STUDENT: score},
            worked_examples=self.examples,
            taught=self.taught,
            floor=50,
            advice="teacher.guided: true",
        )
        selection = {"rows": self.train_rows, "rows_selected": self.selected}
        evidence = StudentEvidence(
            student=STUDENT,
            table=table({"base": self.base, "teacher": self.teacher, STUDENT: self.student}),
            headline=STRICT,
            teaching=Teaching.model_validate({"selection": {"train": selection}}),
            rules=(rule,),
            fragments=self.fragments,
            example=FragmentExample(row="r3", fragment="this is urgent", answer="This is urgent!"),
            guided=self.guided,
        )
        reasons = list(reasons_not_to_serve(evidence))
        assert len({reason.check for reason in reasons}) == len(reasons)
        return {reason.check: f"{reason.finding} | {reason.remedy}" for reason in reasons}


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        # teacher 4 of 60: [2.6, 15.9]; student 16 of 60: [17.1, 39.0]
        (
            {"teacher": (0, 4), "student": (0, 16)},
            "few_obey",
            "The teacher obeys on 6.7% [2.6%, 15.9%] of the rows and the student on 26.7% [17.1%",
        ),
        ({"selected": 29}, "few_learnt", "Only 29 of 200 train rows have an answer to learn"),
        # 15 % of 400 rows are 60
        ({"train_rows": 400, "selected": 59}, "few_learnt", "to learn, fewer than 60 |"),
        (
            {"examples": 0, "taught": {}},
            "not_taught",
            "No worked example shows the rule refusal, and no train row taught it | a worked",
        ),
        # 0 of 26 rows: at most 12.9 %
        (
            {"obeyed": share(0, 26)},
            "not_learnt",
            "The rule refusal is due on 26 rows, and the student obeys it on 0 of them | teacher.g",
        ),
        # on due rows only: better overall, by 15 of 60 rows, and nowhere on the 40 ordinary ones
        (
            {"student": (15, 2), "teacher": (5, 20)},
            "not_better",
            "on 40 ordinary rows, where no conditional rule is due: +0.0 points",
        ),
        ({"base": (15, 30)}, "not_better", "without the prompt on 60 rows: +0.0 points"),
        # 7 of 60 answers: the interval begins at 5.8 %
        (
            {"fragments": share(7, 60)},
            "fragments",
            "7 of 60 answers hold a fragment of a fixed sentence where it is not due, such as “this"
            " is urgent” | a rule with converse: true",
        ),
    ],
)
def test_each_reason_alone(change: dict[str, Any], check: str, words: str) -> None:
    """Nothing else is said, and the reason says what would help."""
    reasons = Case(**change).reasons()
    assert list(reasons) == [check]
    assert words in reasons[check]


@pytest.mark.parametrize(
    "change",
    [
        {},
        # a teacher that hardly obeys, but guided candidates made a student that does
        {"teacher": (0, 4), "student": (10, 20)},
        {"selected": 30},
        {"train_rows": 400, "selected": 60},
        {"train_rows": 100_000, "selected": 500},  # 0.5 %, and plenty
        {"examples": 0},  # taught by rows
        {"taught": {}},  # shown by an example, and obeyed
        {"examples": 0, "taught": None},  # an audit that does not say
        {"examples": None, "taught": {}},  # a model would have to say
        {"must": False, "examples": 0, "taught": {}, "obeyed": share(0, 26)},  # a should-rule
        {"obeyed": share(0, 13)},  # up to 22.8 %: too few rows to tell
        {"obeyed": CountedShare(count=0, n=0)},  # due on no val row
        {"base": (0, 38), "student": (15, 38)},  # 95 % of the ordinary rows: nothing to gain
        {"fragments": share(6, 60)},  # from 4.7 %
    ],
)
def test_a_student_that_is_fine(change: dict[str, Any]) -> None:
    assert Case(**change).reasons() == {}


def test_several_reasons_stand_together() -> None:
    """A base as good as its student, of whom little is known."""
    reasons = Case(base=(15, 30), selected=3, fragments=share(30, 60)).reasons()
    assert list(reasons) == ["few_learnt", "not_better", "fragments"]


def test_more_val_rows_may_help_where_the_student_is_ahead() -> None:
    """Ahead by 2 of 60 rows, which may be chance; no such advice where it is behind."""
    ahead = Case(base=(13, 30), teacher=(15, 40)).reasons()
    assert "more val rows, if the 60 are too few to tell" in ahead["not_better"]
    behind = Case(base=(17, 32), teacher=(15, 40)).reasons()
    assert "more val rows" not in behind["not_better"]


def test_guidance_is_no_advice_where_it_was_given() -> None:
    """What was tried already does not help."""
    assert "teacher.guided: true" in Case(selected=3).reasons()["few_learnt"]
    assert "teacher.guided" not in Case(selected=3, guided=True).reasons()["few_learnt"]
