"""The correction for the choice of the checkpoint, by simulation and in the scores of a run."""

import numpy as np
import pytest

from judge.metrics.correct_choice import ChosenStudent
from judge.metrics.scores import score
from judge.metrics.stats import Floats, rate
from judge.metrics.trained_optimism import ChoiceRows, PassedRows, TrainedStudent, trained_optimism
from tests.judge.factories import make_row, make_rule, make_rules, make_verdict

ROWS, EVALUATED, EVALUATIONS = 76, 40, 7  # of the demo: val rows, of these evaluated, how often
DRAWS = 120
KEYS = [(f"r{n}", 0) for n in range(ROWS)]
QUESTIONS = ChoiceRows(KEYS, [row for row, _ in KEYS], {})


def draw_students(count: int, random: np.random.Generator) -> Floats:
    """Passes of equal checkpoints of equal students, [count, EVALUATIONS, ROWS].

    Each passes half of the rows. Rows are easy or hard for all (correlation 0.35), and the
    checkpoints of one student agree more (0.6): each takes its student's outcome on 38 % of rows.
    """
    chance = random.beta(0.93, 0.93, ROWS)
    own = random.random((count, EVALUATIONS, ROWS)) < chance
    shared = random.random((count, 1, ROWS)) < chance
    copies = random.random(own.shape) < 0.38**0.5
    return np.where(copies, shared, own).astype(float)


def train(passes: Floats) -> tuple[TrainedStudent, float]:
    """A student with its best checkpoint on the evaluated rows, and its rate on all rows."""
    best = int(passes[:, :EVALUATED].sum(axis=1).argmax())
    evaluations: list[PassedRows] = [
        None
        if number == best
        else {row: bool(ok) for (row, _), ok in zip(KEYS[:EVALUATED], of_one, strict=False)}
        for number, of_one in enumerate(passes)
    ]
    decided = dict(zip(KEYS, (passes[best] > 0).tolist(), strict=True))
    return TrainedStudent(decided, decided, evaluations), float(passes[best].mean())


@pytest.mark.parametrize(("students", "too_high"), [(1, 0.025), (2, 0.035)])
def test_simulated(students: int, too_high: float) -> None:
    """Equal checkpoints: all that the best one has more than 50 % is optimism.

    Measured: one student 3.4 → −0.2 points, the best of two 5.4 → −0.4 points, whose interval
    covers 89 → 98 %. The standard errors of 120 draws are 0.5 and 2 points.
    """
    random = np.random.default_rng(students)
    bias, covered = np.zeros(2), np.zeros(2)
    for _ in range(DRAWS):
        trained, rates = zip(*map(train, draw_students(students, random)), strict=True)
        best = int(np.argmax(rates))
        share = trained_optimism(trained, best, QUESTIONS, [True] * ROWS, 0)
        for number, off in enumerate((0.0, share)):
            interval = rate(list(trained[best].scored.values()), range(ROWS), off)
            assert interval is not None
            bias[number] += (interval.value - 0.5) / DRAWS
            covered[number] += (interval.low <= 0.5 <= interval.high) / DRAWS
    assert bias[0] > too_high and abs(bias[1]) < 0.015
    assert covered[1] > 0.92


def test_one_evaluation_is_no_choice() -> None:
    """A student with one checkpoint, and one whose other checkpoint was worse on every row."""
    decided = {key: number % 2 == 0 for number, key in enumerate(KEYS)}
    nothing = {row: False for row, _ in KEYS[:EVALUATED]}
    both: list[list[PassedRows]] = [[None], [nothing, None]]
    for evaluations in both:
        student = TrainedStudent(decided, decided, evaluations)
        assert trained_optimism([student], 0, QUESTIONS, [True] * ROWS, 0) == 0.0


def test_rows_that_no_evaluation_answered_cost_nothing() -> None:
    """The winner of a search: its checkpoint was chosen on other rows than those that score it."""
    student, _ = train(draw_students(1, np.random.default_rng(0))[0])
    every = trained_optimism([student], 0, QUESTIONS, [True] * ROWS, 0)
    evaluated = trained_optimism([student], 0, QUESTIONS, [n < EVALUATED for n in range(ROWS)], 0)
    unseen = trained_optimism([student], 0, QUESTIONS, [n >= EVALUATED for n in range(ROWS)], 0)
    assert unseen == 0.0 < every < evaluated
    assert every == pytest.approx(evaluated * EVALUATED / ROWS, rel=0.1)


def test_a_run_with_one_student_is_corrected_too() -> None:
    """Its checkpoint was the best of three on 20 of 40 rows, by one or two rows."""
    rows = [make_row(f"r{n}") for n in range(40)]
    rules = make_rules(make_rule({"type": "json"}, id="must"))
    verdicts = [
        make_verdict("pass" if n % 2 else "fail", row=f"r{n}", arm="student/a") for n in range(40)
    ]
    others = ({f"r{n}": n % 2 == 0 for n in range(1, 20)}, {f"r{n}": n > 11 for n in range(20)})
    chosen = ChosenStudent("student/a", ("student/a",), evaluations={"student/a": (None, *others)})
    result = score(rules, rows, verdicts, chosen=chosen)
    assert result.choice is not None and result.choice.evaluations == 3
    off = result.choice.optimism
    assert 0.02 < off < 0.15
    assert result.arms["student/a"].strict.rate == pytest.approx(0.5 - off)
    (sentence,) = result.choice.sentences
    assert sentence.startswith("The checkpoint of a is the best of 3 evaluations on some of these")
    both = result.choice.model_copy(update={"tried": 2}).sentences[0]
    assert both.startswith(
        "a is the best of 2 students on these rows and its checkpoint is the best of 3 evaluations"
    )
