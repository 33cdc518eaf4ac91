"""The protocol that samplers follow, and the check of the candidates that they return."""

from collections.abc import Callable
from typing import Any, Protocol

from skhyperband._messages import repr_of
from skhyperband._records import LevelResult
from skhyperband._space import Candidate


class Sampler(Protocol):
    """Protocol of the objects that draw the candidates of a search.

    Any object with these two methods can be passed as the parameter `sampler` of a search; it
    need not inherit from this class. A search works on a deep copy of the sampler. It asks
    once for each bracket, when the lowest rung of the bracket is due, and tells the result of
    each level as soon as the level is complete. If there is a journal, it first tells what was
    in it before the search, as levels with ``repeat=-1``.

    A sampler should draw the same candidates whenever it is asked and told the same. Seed its
    random numbers with a seed of its own, together with `repeat` and `bracket`.

    See Also
    --------
    skhyperband.testing.check_sampler : Check that a sampler follows this protocol.
    LevelResult : The result of a level, which a sampler is told.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import loguniform
    >>> from skhyperband.testing import check_sampler
    >>> class LatinHypercube:
    ...     def __init__(self, seed):
    ...         self.seed = seed
    ...
    ...     def ask(self, n, *, repeat, bracket):
    ...         rng = np.random.default_rng([self.seed, repeat, bracket])
    ...         quantiles = (rng.permutation(n) + rng.uniform(size=n)) / n
    ...         return [{"C": 10 ** (6 * quantile - 3)} for quantile in quantiles]
    ...
    ...     def tell(self, level):
    ...         pass
    >>> check_sampler(lambda: LatinHypercube(seed=0), {"C": loguniform(1e-3, 1e3)})
    """

    def ask(self, n: int, *, repeat: int, bracket: int) -> list[Candidate]:
        """Draw the candidates that enter a bracket.

        Parameters
        ----------
        n : int
            The number of candidates that are needed. It is 0 where initial candidates fill
            the bracket.
        repeat : int
            The Hyperband round, counted from 0.
        bracket : int
            The number of the bracket in its round, as in the column `bracket` of
            `cv_results_`. Brackets with higher numbers are asked for first; they have more
            candidates, and start with less of the resource.

        Returns
        -------
        candidates : list of dict
            At most `n` candidates, each a dict of its own, with the names that
            `param_distributions` has. Return fewer, or none, if there are no more.
        """

    def tell(self, level: LevelResult) -> None:
        """Learn from the result of a level.

        Parameters
        ----------
        level : LevelResult
            The candidates of a level and their scores. It includes candidates that were
            promoted from lower levels, and candidates that the sampler did not draw, such as
            `initial_candidates` or those of earlier searches. It must not be modified.
        """


class CheckedSampler:
    """Passes the candidates of a sampler on if they can be used, and raises if not.

    Parameters
    ----------
    sampler : Sampler
        The sampler that is asked and told.
    check_candidate : callable
        Raises an error if it is called with a candidate that the estimator does not take.
    """

    def __init__(self, sampler: Sampler, check_candidate: Callable[[Candidate], None]):
        self._sampler = sampler
        self._check_candidate = check_candidate

    def __repr__(self) -> str:
        return repr(self._sampler)

    def ask(self, n: int, *, repeat: int, bracket: int) -> list[Candidate]:
        """Return at most n candidates that the estimator takes."""
        candidates: Any = self._sampler.ask(n, repeat=repeat, bracket=bracket)
        if not isinstance(candidates, (list, tuple)):
            raise TypeError(
                f"sampler={self._sampler!r}: ask({n}) returned {repr_of(candidates)}; return a "
                "list of candidates, an empty one where there are no more."
            )
        if len(candidates) > n:
            raise ValueError(
                f"sampler={self._sampler!r}: ask({n}) returned {len(candidates)} "
                f"candidates; return at most {n}."
            )
        for candidate in candidates:
            self._check_candidate(candidate)
        return list(candidates)

    def tell(self, level: LevelResult) -> None:
        """Tell the sampler the result of a level."""
        self._sampler.tell(level)
