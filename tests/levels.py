"""Results of levels, as samplers are told them."""

import numpy as np

from skhyperband._records import LevelResult


def level_of(scores, *, n_resources=1, repeat=0, candidates=None):
    """Return a level of candidates whose split scores are given by their numbers.

    NaN stands for a split that was not used, and for a failure where it is the only one.
    """
    split_scores = np.array(list(scores.values()), dtype=float)
    used = ~np.isnan(split_scores).all(axis=0)
    if not used.any():
        used[0] = True
    return LevelResult(
        repeat=repeat,
        n_resources=n_resources,
        n_splits=int(used.sum()),
        candidate_ids=tuple(scores),
        candidates=tuple(candidates or ({"number": number} for number in scores)),
        split_scores=split_scores,
        mean_scores=split_scores[:, used].mean(axis=1),
        n_failures=int(np.isnan(split_scores[:, used]).sum()),
        n_replayed=0,
        complete=True,
    )
