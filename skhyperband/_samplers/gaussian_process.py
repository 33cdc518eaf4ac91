"""A Gaussian process, fitted in milliseconds to the scores of a few dozen candidates.

scikit-learn's takes ten times as long for so few points, and its length scales have no prior:
the likelihood of ten points in five dimensions says next to nothing about them.
"""

from typing import Self

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

# The logarithms of the hyper-parameters have normal priors, with these means and deviations. The
# length scale is one for a single dimension; it grows with the square root of their number.
LENGTH_SCALE_PRIOR = (np.log(0.5), 1.0)
SIGNAL_PRIOR = (0.0, 1.0)
NOISE_PRIOR = (np.log(0.1), 1.5)
_LARGEST_DEVIATION = 4.0
_MOST_ITERATIONS = 30
_JITTER = 1e-8


class GaussianProcess:
    """Regression with a Matern kernel (nu=2.5), a length scale for each parameter, and noise.

    The hyper-parameters are those of the largest posterior density.

    Attributes
    ----------
    length_scales : ndarray of shape (n_parameters,)
    signal, noise : float
        Variances, of the function and of a single measurement.
    """

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        n_measurements: np.ndarray,
        parameters: np.ndarray | None = None,
    ) -> Self:
        """Fit to scores with mean 0 and variance 1, each the mean of so many measurements.

        `parameters` has the number of the parameter to which each feature belongs, by default
        one for each feature. Features of one parameter share a length scale.
        """
        self._X, self._y = X, y
        self._noise_shares = 1 / n_measurements
        self._parameters = np.arange(X.shape[1]) if parameters is None else parameters
        n_parameters = int(self._parameters.max()) + 1
        length_mean = LENGTH_SCALE_PRIOR[0] + np.log(n_parameters) / 2
        lengths = [(length_mean, LENGTH_SCALE_PRIOR[1])] * n_parameters
        self._means, self._deviations = np.array([*lengths, SIGNAL_PRIOR, NOISE_PRIOR]).T
        self._squares = np.zeros((n_parameters, len(y) ** 2))
        for parameter, column in zip(self._parameters, X.T, strict=True):
            self._squares[parameter] += ((column[:, np.newaxis] - column) ** 2).ravel()
        reach = _LARGEST_DEVIATION * self._deviations
        found = minimize(
            self._negative_log_posterior,
            self._means,
            jac=True,
            method="L-BFGS-B",
            bounds=np.column_stack([self._means - reach, self._means + reach]),
            options={"maxiter": _MOST_ITERATIONS},
        )
        *log_scales, log_signal, log_noise = found.x
        self.length_scales = np.exp(log_scales)
        self.signal, self.noise = float(np.exp(log_signal)), float(np.exp(log_noise))
        self._factor = np.linalg.cholesky(self._with_noise(self.covariance(X, X), self.noise))
        self._weights = cho_solve((self._factor, True), y)
        return self

    def _with_noise(self, covariance: np.ndarray, noise: float) -> np.ndarray:
        covariance = covariance.copy()
        covariance[np.diag_indices_from(covariance)] += noise * self._noise_shares + _JITTER
        return covariance

    def _negative_log_posterior(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the value, without constants, and its gradient.

        The gradient of the likelihood is in Rasmussen and Williams, Gaussian Processes for
        Machine Learning, equation 5.9.
        """
        inverse_squares = np.exp(-2 * theta[:-2])
        signal, noise = np.exp(theta[-2:])
        n = len(self._y)
        squared = (inverse_squares @ self._squares).reshape(n, n)
        covariance, slope = _matern(squared, signal)
        factor = np.linalg.cholesky(self._with_noise(covariance, noise))
        inverse = cho_solve((factor, True), np.eye(n), check_finite=False)
        weights = inverse @ self._y
        inner = np.outer(weights, weights) - inverse
        gradient = np.empty_like(theta)
        gradient[:-2] = inverse_squares * (self._squares @ (inner * slope).ravel())
        gradient[-2] = (inner * covariance).sum()
        gradient[-1] = noise * inner.diagonal() @ self._noise_shares
        deviations = (theta - self._means) / self._deviations
        value = self._y @ weights / 2 + np.log(factor.diagonal()).sum()
        value += deviations @ deviations / 2
        return float(value), deviations / self._deviations - gradient / 2

    def covariance(self, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        """Return the covariance of the function before anything is known."""
        lengths = self.length_scales[self._parameters]
        A, B = A / lengths, B / lengths
        squared = (A**2).sum(axis=1)[:, np.newaxis] + (B**2).sum(axis=1) - 2 * A @ B.T
        return _matern(np.maximum(squared, 0), self.signal)[0]

    def posterior(self, P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean of the function at points, and V.

        The covariance is ``covariance(P, P) - V.T @ V``.
        """
        covariance = self.covariance(self._X, P)
        V = solve_triangular(self._factor, covariance, lower=True, check_finite=False)
        return covariance.T @ self._weights, V


def _matern(squared: np.ndarray, signal: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the covariance at squared distances, and minus twice its slope."""
    distance = np.sqrt(5 * squared)
    decay = signal * np.exp(-distance)
    return decay * (1 + distance + 5 / 3 * squared), 5 / 3 * decay * (1 + distance)
