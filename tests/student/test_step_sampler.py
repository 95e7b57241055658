"""The steps of an epoch: rows of similar lengths together, the steps themselves in no order."""

import numpy as np

from student.step_sampler import StepSampler

ROWS, SIZE, EPOCHS = 403, 4, 40
LENGTHS: list[int] = np.random.default_rng(0).lognormal(5, 1, ROWS).astype(int).tolist()


def epoch_steps(epoch: int, seed: int = 0) -> list[list[int]]:
    """The steps of one epoch."""
    return list(StepSampler(LENGTHS, SIZE, seed, epoch=lambda: epoch))


def step_lengths(epoch: int) -> list[float]:
    """The mean length of each step's rows."""
    return [float(np.mean([LENGTHS[row] for row in step])) for step in epoch_steps(epoch)]


def test_an_epoch_is_every_row_once() -> None:
    """In steps of the batch size; one step has the rows that are left over, wherever it comes."""
    steps = epoch_steps(0)
    assert sorted(row for step in steps for row in step) == list(range(ROWS))
    assert sorted(map(len, steps)) == [3] + [4] * 100
    assert len(steps) == len(StepSampler(LENGTHS, SIZE, 0, lambda: 0)) == 101


def test_position_and_length_are_unrelated() -> None:
    """Their correlation over 40 epochs of 101 steps has a standard error of 1/√4040 = 0.016; in
    groups from long to short it was -0.23."""
    positions = np.tile(np.arange(101), EPOCHS)
    lengths = np.log([length for epoch in range(EPOCHS) for length in step_lengths(epoch)])
    assert abs(np.corrcoef(positions, lengths)[0, 1]) < 4 * 0.016


def padding(steps: list[list[int]]) -> int:
    """Padded positions when each step is padded to its longest row."""
    padded = [max(LENGTHS[row] for row in step) * len(step) for step in steps]
    return sum(padded) - sum(LENGTHS)


def test_rows_of_a_step_are_of_similar_length() -> None:
    """Padding is a small part of what rows in random order would need."""
    random_rows = np.random.default_rng(1).permutation(ROWS)
    random_steps = [random_rows[start : start + SIZE].tolist() for start in range(0, ROWS, SIZE)]
    assert padding(epoch_steps(0)) < 0.2 * padding(random_steps)


def test_seed_and_epoch_alone_give_the_order() -> None:
    """A resume and another number of processes see the same steps."""
    assert epoch_steps(2) == epoch_steps(2) != epoch_steps(3)
    assert epoch_steps(2) != epoch_steps(2, seed=1)
