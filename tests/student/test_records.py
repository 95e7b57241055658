"""Which checkpoint, student and trial is the best, and why."""

from student.records import RankedStudent, Step, Trial, best_first, chosen_by, reason


def student(
    name: str, strict: float | None, by_case: float | None, loss: float = 1.0
) -> dict[str, object]:
    """The fields of a student in `choice.json`."""
    return {
        "name": name,
        "strict": strict,
        "strict_by_case": by_case,
        "val_loss": loss,
        "best_epoch": 1,
        "settings": {},
        "seconds": 1,
    }


def ranked(*students: dict[str, object]) -> list[RankedStudent]:
    """The students, best first."""
    return best_first(map(RankedStudent.model_validate, students))


def test_the_balanced_one_before_one_that_never_refuses() -> None:
    """Of 40 rows a refusal is due on 12 and a partial answer on 4. One that never says either obeys
    on 20 of the 24 others: 50 % strict, by case (83 + 0 + 0) / 3. The balanced one obeys on 12, 6
    and 1: 47.5 % strict, by case (50 + 50 + 25) / 3."""
    never = student("never", 20 / 40, (20 / 24 + 0 + 0) / 3)
    balanced = student("balanced", 19 / 40, (12 / 24 + 6 / 12 + 1 / 4) / 3)
    assert [student.name for student in ranked(never, balanced)] == ["balanced", "never"]


def test_the_balanced_one_before_one_that_always_refuses() -> None:
    """Where 24 of 40 rows are off topic: 60 % strict by refusing everything, 55 % balanced."""
    always = student("always", 24 / 40, (0 + 24 / 24) / 2)
    balanced = student("balanced", 22 / 40, (9 / 16 + 13 / 24) / 2)
    assert [student.name for student in ranked(always, balanced)] == ["balanced", "always"]


def test_ties_go_to_strict_then_to_val_loss() -> None:
    """And what no rule decided comes last."""
    order = ranked(
        student("undecided", None, None, 0.1),
        student("loss", 0.6, 0.5, 0.2),
        student("strict", 0.7, 0.5, 0.9),
        student("worse loss", 0.6, 0.5, 0.3),
    )
    assert [student.name for student in order] == ["strict", "loss", "worse loss", "undecided"]


def test_old_records_are_ranked_by_strict() -> None:
    """A line of metrics.jsonl and a trial from before."""
    old = Step.model_validate_json(
        '{"step": 6, "epoch": 1.0, "seconds": 1.0, "strict": 0.5, "val_loss": 1.0, "val_rows": 4}'
    )
    assert old.strict_by_case is None and chosen_by(old) == 0.5
    fields = {"state": "complete", "model": "m", "settings": {}, "method": "lora"}
    trial = Trial.model_validate({"name": "t", "objective": "ce", "strict": 0.25, **fields})
    assert chosen_by(trial) == 0.25


def test_the_reason_is_in_words() -> None:
    """With both numbers, or with the one that there is."""
    two = ranked(student("a", 0.475, 0.4167), student("b", 0.5, 0.2778))
    assert reason(two, 40) == (
        "strict adherence by case 41.7% (the mean over the cases: each must-rule that is due on "
        "some rows only, and the rows without one; 47.5% of all rows) on 40 val rows by the rules "
        "in code, the highest of 2"
    )
    single = ranked(student("a", 0.475, None))
    assert reason(single, 40) == (
        "strict adherence 47.5% on 40 val rows by the rules in code, the highest of 1"
    )
    ties = ranked(student("a", 0.5, 0.5, 0.25), student("b", 0.5, 0.5))
    assert reason(ties, 40).endswith("1 more equal, and the lowest val loss of these, 0.250")
