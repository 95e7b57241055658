"""The expected calibration error, by hand and against judges whose probabilities are known."""

import numpy as np
import pytest

from judge.metrics.calibration_error import calibration_error


def test_by_hand() -> None:
    """Bin 0.9: two verdicts of 0.9 and 0.95, one passes; bin 0.2: two of 0.2, none passes.

    |1 − 1.85| / 4 + |0 − 0.4| / 4 = 0.3125. A probability of 1 is in the last bin too.
    """
    error = calibration_error([0.9, 0.95, 0.2, 0.2], [True, False, False, False], 0)
    assert error is not None and error.n == 4
    assert error.ece == pytest.approx(0.3125)
    sure = calibration_error([1.0, 0.9], [True, True], 0)
    assert sure is not None and sure.ece == pytest.approx(0.05)
    assert calibration_error([], [], 0) is None


def test_right_probabilities_err_by_chance_alone() -> None:
    """Over 200 samples of 100 verdicts the mean error is what `by_chance` says, near 0.08."""
    random = np.random.default_rng(1)
    errors, expected = [], []
    for _ in range(200):
        chances = random.random(100)
        gold = random.random(100) < chances
        error = calibration_error(chances.tolist(), gold.tolist(), 0)
        assert error is not None
        errors.append(error.ece)
        expected.append(error.by_chance)
    # one sample's error has a deviation of 0.025, so the mean of 200 is known to ± 0.0018
    assert np.mean(errors) == pytest.approx(np.mean(expected), abs=0.006)
    assert 0.05 < np.mean(expected) < 0.12


def test_a_judge_that_is_too_sure() -> None:
    """It says 0.99 or 0.01 and is right in 80 %: the error is 0.19."""
    random = np.random.default_rng(2)
    gold = random.random(5000) < 0.5
    right = random.random(5000) < 0.8
    chances = np.where(gold == right, 0.99, 0.01)
    error = calibration_error(chances.tolist(), gold.tolist(), 0)
    assert error is not None
    assert error.ece == pytest.approx(0.19, abs=0.02)  # 3 standard errors of 0.8 are 0.017
    assert error.by_chance < 0.005
