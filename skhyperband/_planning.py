"""Makes the plan of a search from its arguments and the size of the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from skhyperband._candidates import candidate_check, check_names
from skhyperband._plan import Plan
from skhyperband._resource_names import resolve_resource
from skhyperband._resources import (
    N_SAMPLES,
    guess_test_samples,
    lowest_n_samples,
    resolve_max_resources,
    resolve_min_resources,
    resolve_min_splits,
)
from skhyperband._schedule import (
    Bracket,
    LevelSize,
    exact_factor,
    limit_candidates,
    resource_ladder,
)
from skhyperband._space import as_space, space_size


@dataclass(frozen=True)
class ProblemSize:
    """The numbers that a plan depends on besides the arguments of the search.

    Attributes
    ----------
    n_samples, n_classes : int or None
        None if unknown. A plan that needs the number then raises.
    n_splits : int
    n_test_samples : int or None
        The median number of samples in the test parts. If None, it is guessed from `cv`.
    """

    n_samples: int | None
    n_splits: int
    n_classes: int | None
    n_test_samples: int | None = None


class SearchArguments(Protocol):
    """The parameters of a search that its plan depends on, and the brackets that it makes."""

    estimator: Any
    param_distributions: Any
    n_candidates: Any
    factor: Any
    resource: Any
    max_resources: Any
    min_resources: Any
    min_splits: Any
    sampler: Any
    initial_candidates: Any
    cv: Any

    def _brackets(
        self, ladder: Sequence[LevelSize], factor: Fraction, available: int | None
    ) -> list[Bracket]: ...


def resolve_plan(search: SearchArguments, size: ProblemSize) -> Plan:
    """Return the plan of a search; raise if its arguments contradict each other."""
    n_test_samples = size.n_test_samples
    if n_test_samples is None and size.n_samples is not None:
        n_test_samples = guess_test_samples(search.cv, size.n_splits, size.n_samples)
    min_splits = resolve_min_splits(search.min_splits, size.n_splits, n_test_samples)
    factor = exact_factor(search.factor)
    resource = resolve_resource(
        search.estimator, search.resource, _searched_names(search), search.max_resources
    )
    _check_candidates(search, resource)
    largest = resolve_max_resources(
        search.max_resources, search.estimator, resource, size.n_samples
    )
    lowest = 1
    if resource == N_SAMPLES and isinstance(search.min_resources, str):
        lowest = lowest_n_samples(
            search.min_resources, search.estimator, size.n_splits, size.n_classes
        )
    smallest = resolve_min_resources(search.min_resources, largest, factor, lowest, resource)
    ladder = resource_ladder(largest, factor, smallest, size.n_splits, min_splits)
    available = _count_available(search)
    wanted = search._brackets(ladder, factor, available)
    _check_initial_candidates_fit(search, wanted[0])
    brackets = limit_candidates(wanted, available, factor)
    return Plan(
        brackets=tuple(brackets),
        factor=factor,
        resource=resource,
        min_resources=int(smallest),
        max_resources=largest,
        n_splits=size.n_splits,
        ladder=tuple(ladder),
        space_exhausted=brackets != wanted,
    )


def _searched_names(search: SearchArguments) -> set[str]:
    """Return the names of all parameters that candidates may set."""
    parts = [*as_space(search.param_distributions), *(search.initial_candidates or [])]
    return {name for part in parts for name in part}


def _check_candidates(search: SearchArguments, resource: str) -> None:
    """Raise for parameters in the space, or initial candidates, that the estimator refuses."""
    space = as_space(search.param_distributions)
    check_names(search.estimator, resource, space)
    check_candidate = candidate_check(search.estimator, resource, space, own_sampler=False)
    for candidate in search.initial_candidates or []:
        check_candidate(dict(candidate), "initial_candidates contains")


def _count_available(search: SearchArguments) -> int | None:
    """Return how many candidates there are in all; None if their number is unlimited."""
    if not isinstance(search.sampler, str):
        return None
    initial = list(search.initial_candidates or [])
    size = space_size(as_space(search.param_distributions), initial)
    return None if size is None else size + len(initial)


def _check_initial_candidates_fit(search: SearchArguments, widest: Bracket) -> None:
    n_initial = len(search.initial_candidates or [])
    if n_initial > widest.n_candidates:
        raise ValueError(
            f"initial_candidates has {n_initial} candidates, more than the "
            f"{widest.n_candidates} of the widest bracket "
            f"(n_candidates={search.n_candidates!r}); raise n_candidates or shorten it."
        )
