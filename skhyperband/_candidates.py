"""Checks that candidates fit the estimator: their form, their names and their values."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sklearn.base import clone

from skhyperband._messages import repr_of
from skhyperband._resource_names import check_no_other_name_set, other_names_of
from skhyperband._resources import N_SAMPLES, resource_parameter
from skhyperband._space import Candidate, Space


def check_candidate_form(candidate: Any, source: str, resource: str) -> None:
    """Raise unless the candidate is a dict of parameters without the resource."""
    if not isinstance(candidate, Mapping):
        raise TypeError(f"{source} {repr_of(candidate)}; each candidate must be a dict.")
    for name in candidate:
        if not isinstance(name, str):
            raise TypeError(
                f"{source} {repr_of(candidate)}; its keys must be names of parameters."
            )
        if name == resource_parameter(resource):
            raise ValueError(
                f"{source} {repr_of(candidate)}, but {name!r} is the resource, which the search "
                "sets; leave it out."
            )


def candidate_check(
    estimator: Any, resource: str, space: Space, own_sampler: bool
) -> Callable[..., None]:
    """Return a function that raises for a candidate that cannot be set on the estimator."""
    known_names: set[frozenset[str]] = set()
    drawn_from = {name for part in space for name in part}
    source_of_drawn = "the sampler returned" if own_sampler else "param_distributions gives"

    def check(candidate: Candidate, source: str = source_of_drawn) -> None:
        check_candidate_form(candidate, source, resource)
        names = frozenset(candidate)
        if names in known_names:
            return
        _check_no_alias(estimator, resource, names, source)
        if own_sampler and source == source_of_drawn and not names <= drawn_from:
            raise ValueError(
                f"{source} {repr_of(candidate)}, with names that are not in param_distributions, "
                f"{sorted(names - drawn_from)}; add them there."
            )
        try:
            model = clone(estimator).set_params(**clone(candidate, safe=False))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{source} {repr_of(candidate)}, which the estimator refuses: {error} "
                "Use names that its get_params() lists."
            ) from error
        _check_resource_of_steps(model, resource, candidate, source)
        # A step that is itself searched over decides which names there are.
        if not any(hasattr(value, "get_params") for value in candidate.values()):
            known_names.add(names)

    return check


def check_names(estimator: Any, resource: str, space: Space) -> None:
    """Raise for a name in the space that the estimator does not have.

    The check draws nothing, since a distribution may have a random generator of its own.
    """
    for part in space:
        _check_no_alias(estimator, resource, part, "param_distributions contains")
        drawn = {name for name, values in part.items() if hasattr(values, "rvs")}
        listed = {name: values[0] for name, values in part.items() if name not in drawn}
        model = clone(estimator)
        _set(model, listed)
        known = model.get_params()
        for name in drawn - known.keys():
            # The parameters of a step that is drawn itself are known only once it is drawn.
            if not any(name.startswith(f"{step}__") for step in drawn):
                _set(clone(model), {name: 1})


def _check_no_alias(estimator: Any, resource: str, names: Iterable[str], source: str) -> None:
    """Raise if one of the names is another name of the resource."""
    others = sorted(other_names_of(estimator, resource) & set(names))
    if resource != N_SAMPLES and others:
        raise ValueError(
            f"{source} {others[0]!r}, another name of the resource {resource!r}, which the "
            "search sets; leave it out."
        )


def _check_resource_of_steps(model: Any, resource: str, candidate: Candidate, source: str) -> None:
    """Raise if a candidate brings a step that has the resource set under another of its names."""
    if resource == N_SAMPLES:
        return
    try:
        check_no_other_name_set(model, resource)
    except ValueError as error:
        raise ValueError(f"{source} {repr_of(candidate)}: {error}") from error


def _set(estimator: Any, params: Candidate) -> None:
    """Set parameters from `param_distributions`; raise an error that names it."""
    try:
        estimator.set_params(**clone(params, safe=False))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"param_distributions gives {repr_of(params)}, which the estimator refuses: {error} "
            "Use names that its get_params() lists."
        ) from error
