"""Both searches with the schedule of the publications.

Most tests are not about the default schedule. With this one they read as the papers do, and
keep their numbers whatever the defaults are. `test_defaults.py` holds the defaults.
"""

import numpy as np

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV


def published(search_class, *args, **options):
    """Return a search over the samples with the published schedule, where no option differs."""
    schedule = {"resource": "n_samples", "min_resources": "smallest", "min_splits": None}
    if issubclass(search_class, HyperbandSearchCV):
        schedule |= {
            "n_brackets": "all",
            "n_repeats": 1,
            "promotion": "bracket",
            "sampler": "random",
        }
    else:
        schedule["n_candidates"] = "exhaust"
    return search_class(*args, **{**schedule, **options})


def quality_search(estimator, n_candidates, **options):
    """Return a search over all of some qualities, for an estimator like `Scored`."""
    return published(
        SuccessiveHalvingSearchCV,
        estimator,
        {"quality": np.linspace(0.05, 0.95, n_candidates)},
        n_candidates="all",
        resource="n_units",
        max_resources=n_candidates,
        random_state=0,
        **options,
    )
