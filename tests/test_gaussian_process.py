import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from skhyperband._samplers.gaussian_process import GaussianProcess


def sample(n=30, n_features=3, noise=0.1, seed=0):
    """Return points and noisy values of a smooth function, of mean 0 and variance 1."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, n_features))
    y = np.sin(4 * X[:, 0]) + X[:, 1] ** 2 + noise * rng.normal(size=n)
    return X, (y - y.mean()) / y.std()


@pytest.mark.parametrize("n_features", [1, 3, 8])
def test_posterior_is_that_of_scikit_learn(n_features):
    """Mean and covariance are those of scikit-learn's process with the same hyper-parameters."""
    X, y = sample(n_features=max(2, n_features))
    X = X[:, :n_features]
    n_splits = np.arange(len(y)) % 3 + 1
    P = np.random.default_rng(1).uniform(size=(20, n_features))

    process = GaussianProcess().fit(X, y, n_splits)
    mean, V = process.posterior(P)

    theirs = GaussianProcessRegressor(
        ConstantKernel(process.signal) * Matern(process.length_scales, nu=2.5),
        alpha=process.noise / n_splits,
        optimizer=None,
    ).fit(X, y)
    expected_mean, expected_covariance = theirs.predict(P, return_cov=True)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-5)
    np.testing.assert_allclose(process.covariance(P, P) - V.T @ V, expected_covariance, atol=1e-5)


def test_the_gradient_is_right():
    """The gradient of what is minimised is the limit of its differences."""
    process = GaussianProcess().fit(*sample(), np.ones(30))
    start = np.array([0.1, -0.5, 0.3, 0.2, -1.5])

    error = check_grad(
        lambda theta: process._negative_log_posterior(theta)[0],
        lambda theta: process._negative_log_posterior(theta)[1],
        start,
    )

    assert error < 1e-3


def test_what_matters_has_the_shorter_length_scale():
    """A feature on which the scores do not depend is found out."""
    X, y = sample(n=60, n_features=4)

    process = GaussianProcess().fit(X, y, np.ones(60))

    assert process.length_scales[:2].max() < process.length_scales[2:].min()


@pytest.mark.parametrize("noise", [0.01, 1.0])
def test_noise_is_found(noise):
    """Exact and noisy scores are told apart."""
    X, y = sample(n=80, noise=noise)

    process = GaussianProcess().fit(X, y, np.ones(80))

    assert (process.noise > 0.1) == (noise == 1.0)


def test_noise_alone_is_no_function():
    """Of scores that do not depend on the candidate, the mean stays near 0 everywhere."""
    rng = np.random.default_rng(0)
    X, P = rng.uniform(size=(40, 3)), rng.uniform(size=(200, 3))
    y = rng.normal(size=40)

    mean, _ = GaussianProcess().fit(X, (y - y.mean()) / y.std(), np.ones(40)).posterior(P)

    assert np.abs(mean).max() < 1


@pytest.mark.parametrize(
    "X", [np.zeros((10, 2)), np.repeat(np.eye(2), 5, axis=0)], ids=["one point", "two points"]
)
def test_equal_points(X):
    """Candidates that are the same for the model do not stop it."""
    y = np.linspace(-1, 1, 10)

    mean, V = GaussianProcess().fit(X, y, np.ones(10)).posterior(np.eye(2))

    assert np.isfinite(mean).all()
    assert np.isfinite(V).all()
