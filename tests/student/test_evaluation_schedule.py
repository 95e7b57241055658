"""When a training is looked at."""

import pytest

from student.evaluation_steps import evaluation_steps


@pytest.mark.parametrize(
    ("steps_per_epoch", "epochs", "expected"),
    [
        (34, 2, [17, 34, 51, 68]),  # the demo: every 17 steps, not every 34
        (34, 4, [17, 34, 51, 68, 85, 102, 119, 136]),
        (6, 4, [6, 12, 18, 24]),  # short epochs are looked at once
        (25, 1, [12, 25]),
        (1000, 1, [250, 500, 750, 1000]),  # four times at most, as answers cost time
        (1000, 6, [step for step in range(500, 6001, 500)]),  # 12 in all
        (40, 13, [step for step in range(40, 521, 40)]),  # each epoch, however many
        (1, 3, [1, 2, 3]),
    ],
)
def test_steps(steps_per_epoch: int, epochs: int, expected: list[int]) -> None:
    """The last step of every epoch is among them; steps within are evenly spread."""
    assert sorted(evaluation_steps(steps_per_epoch, epochs)) == expected
