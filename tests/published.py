"""Both searches with the schedule of the publications.

Most tests are not about the default schedule. With this one they read as the papers do, and
keep their numbers whatever the defaults are. `test_defaults.py` holds the defaults.
"""

from skhyperband import HyperbandSearchCV


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
