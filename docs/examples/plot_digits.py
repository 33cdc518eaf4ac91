"""
Two searches on handwritten digits
==================================

Hyperband over the iterations of a boosting model, and successive halving over the
training samples of a support vector machine. Both together take a minute or two on two cores.
"""

import time

from scipy.stats import loguniform, randint
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV


def boosting_search():
    """Return a Hyperband search: a candidate costs as much as it has iterations."""
    # By default, the resource of this estimator is its number of iterations. The timed plan
    # fits the estimator as it is here, so it has middle values of what makes a fit slow.
    estimator = HistGradientBoostingClassifier(
        max_iter=27, max_leaf_nodes=10, max_features=0.4, random_state=0
    )
    param_distributions = {
        "learning_rate": loguniform(0.03, 1),
        "max_leaf_nodes": randint(4, 17),
        "min_samples_leaf": randint(2, 41),
        "l2_regularization": loguniform(1e-3, 10),
        "max_features": [0.1, 0.2, 0.4, 0.8],
    }
    # The learning rate decides how soon a model is good, so that few iterations may
    # favour the wrong candidates. Hyperband need not know: its other bracket starts
    # higher. Each round has new candidates, most of which a model chooses by the scores
    # so far.
    return HyperbandSearchCV(
        estimator,
        param_distributions,
        cv=3,
        n_jobs=2,
        random_state=0,
        verbose=1,
    )


def svm_search():
    """Return a successive halving: a candidate costs as much as it has samples."""
    estimator = Pipeline([("scale", StandardScaler()), ("svc", SVC())])
    param_distributions = {
        "svc__C": loguniform(1e-2, 1e3),
        "svc__gamma": loguniform(1e-5, 1),
    }
    # By default, 27 candidates come down to three. A support vector machine has no
    # trees or iterations to continue, so that the resource is the number of samples.
    return SuccessiveHalvingSearchCV(
        estimator,
        param_distributions,
        n_jobs=2,
        random_state=0,
        verbose=1,
    )


def run(title, search, X_train, X_test, y_train, y_test):
    """Print the plan of a search, run the search, and print its results."""
    print(f"{title}\n{'=' * len(title)}\n")

    print("What will be done, and how long it will take, estimated from a few fits:\n")
    print(search.plan(X_train, y_train, timed=True))

    print("\nOne line for each level, which has the rungs of all brackets with this resource:\n")
    start = time.perf_counter()
    search.fit(X_train, y_train)
    seconds = time.perf_counter() - start

    print("\nThe results of each rung. rank_correlation is near 1 if the rung ranked the")
    print("candidates as the rung below it did; it is nan for fewer than five candidates.")
    print("What to change in a further search stands below the table:\n")
    print(search.rungs_)

    of_workers = sum(rung.seconds for rung in search.rungs_.rungs)
    results = search.cv_results_
    trained = (results["n_resources_trained"] * results["n_splits"]).sum()
    print(
        f"\nThe search took {seconds:.1f} seconds, and its fits and scores {of_workers:.1f} seconds "
        f"of {search.n_jobs} workers.\nThe fits used {trained / search.max_resources_:.1f} units of "
        f"the resource, where {search.plan_.cost():.1f} would have been used without\ncontinuing "
        "the training from rung to rung."
    )

    print("\nThe best candidate, with the resource that it was refitted with:\n")
    for name, value in search.best_params_.items():
        print(f"  {name} = {value:.4g}")
    print(f"\nMean score over the splits: {search.best_score_:.4f}")
    print(f"Score on held-out data:     {search.score(X_test, y_test):.4f}\n")


def main():
    """Run both searches on the same training data."""
    X, y = load_digits(return_X_y=True)
    data = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    run("Boosting: HyperbandSearchCV over max_iter", boosting_search(), *data)
    run("SVM: SuccessiveHalvingSearchCV over n_samples", svm_search(), *data)


# Worker processes may import this file; only the first process runs the searches.
if __name__ == "__main__":
    main()
