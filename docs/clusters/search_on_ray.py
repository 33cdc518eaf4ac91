"""A search on a Ray cluster: two worker processes on this machine."""

import joblib
import ray
from ray.util.joblib import register_ray
from scipy.stats import loguniform, randint
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier

from skhyperband import HyperbandSearchCV


def main():
    """Start the cluster, search on it, and end it."""
    X, y = load_breast_cancer(return_X_y=True)
    search = HyperbandSearchCV(
        HistGradientBoostingClassifier(max_iter=50, random_state=0),
        {"learning_rate": loguniform(0.01, 1), "max_leaf_nodes": randint(2, 32)},
        n_repeats=1,
        random_state=0,
    )
    register_ray()  # joblib now knows the backend "ray".
    with (
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False),
        joblib.parallel_config(backend="ray"),
    ):
        search.fit(X, y)
    print(f"{search.best_score_:.3f} with {search.best_params_}")


if __name__ == "__main__":
    main()
