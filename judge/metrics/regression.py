"""Least squares with standard errors that allow for correlation within clusters."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from judge.metrics.interval import Interval
from judge.metrics.stats import CONFIDENCE, ClusterMean, Floats, cluster_sums


class Regression(NamedTuple):
    """The coefficients of a linear model."""

    coefficients: Floats  # [k]
    covariance: Floats  # [k, k]
    groups: int  # clusters

    def contrast(self, weights: Floats) -> tuple[Interval, float]:
        """Σ weights · coefficients with its 95 % interval, and the two-sided p-value of zero.

        Student's t with groups − 1 degrees of freedom.
        """
        value = float(weights @ self.coefficients)
        error = float(np.sqrt(weights @ self.covariance @ weights))
        half = ClusterMean(value, error, self.groups).bound((1 + CONFIDENCE) / 2)
        p = float(2 * stdtr(self.groups - 1, -abs(value) / error)) if error else 1.0
        return Interval(value, value - half, value + half), p


def clustered_regression(
    outcomes: Floats, features: Floats, clusters: Sequence[Hashable]
) -> Regression:
    """Least squares of outcomes [n] on features [n, k], which hold a constant column if wanted.

    Covariance CR1: the sandwich over clusters, × G/(G − 1) · (n − 1)/(n − k) (Cameron & Miller
    2015, J. Human Resources 50). Needs two clusters, more rows than features and features of full
    rank.
    """
    n, k = features.shape
    inverse = np.linalg.inv(features.T @ features)
    coefficients = inverse @ features.T @ outcomes
    residuals = outcomes - features @ coefficients
    sums, sizes = cluster_sums(features.T * residuals, clusters)  # [k, G]
    groups = len(sizes)
    correction = groups / (groups - 1) * (n - 1) / (n - k)
    covariance = correction * inverse @ (sums @ sums.T) @ inverse
    return Regression(coefficients, covariance, groups)
