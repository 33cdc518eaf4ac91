"""Resources: their bounds, and how a rung's amount becomes parameters or training rows."""

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import BaseShuffleSplit, GroupShuffleSplit, TimeSeriesSplit
from sklearn.utils.multiclass import type_of_target

from skhyperband._schedule import automatic_min_resources
from skhyperband._sklearn_compat import default_test_size

N_SAMPLES = "n_samples"
# The fewest samples with which `min_resources="auto"` trains: for each class, and without classes.
_SAMPLES_PER_CLASS = 5
_SAMPLES_WITHOUT_CLASSES = 10
# With fewer test samples, `min_splits="auto"` ranks candidates on more than one split. One split
# with 60 test rows ranked better than two, three or five splits with less of the resource.
_TEST_SAMPLES_TO_RANK = 50


def resource_parameter(resource: str) -> str | None:
    """Return the name of the parameter that is the resource; None if it is the samples.

    A parameter may be called `n_samples` as well.
    """
    return None if resource == N_SAMPLES else resource


def without_resource(params: Mapping[str, Any], resource: str) -> dict[str, Any]:
    """Return the parameters of a candidate, without the one that is the resource."""
    hidden = resource_parameter(resource)
    return {name: value for name, value in params.items() if name != hidden}


@dataclass(frozen=True, eq=False)
class Split:
    """One split of the cross-validation, and the order in which its training part grows.

    Attributes
    ----------
    train, test : ndarray of int
        Row numbers, in the splitter's order.
    order : ndarray of int, or None
        Positions in `train`, of which a rung takes a prefix. None means that every rung takes
        the whole training part.
    at_least : int
        The shortest prefix that holds a sample of each class.
    """

    train: np.ndarray
    test: np.ndarray
    order: np.ndarray | None = None
    at_least: int = 1


class Resource(Protocol):
    """The resource of a search: what a rung gives its candidates more of."""

    @property
    def name(self) -> str:
        """The name that the user gives as `resource`."""

    def parameters(self, candidate: dict[str, Any], n_resources: int) -> dict[str, Any]:
        """Return the parameters to set on the estimator."""

    def train_rows(self, split: Split, n_resources: int) -> np.ndarray:
        """Return the rows that the estimator is fitted on."""

    def new_rows(self, split: Split, n_before: int, n_resources: int) -> np.ndarray:
        """Return those of these rows that are not there with the amount before."""


@dataclass(frozen=True)
class ParameterResource:
    """A parameter of the estimator that counts something: trees, iterations, epochs."""

    name: str

    def parameters(self, candidate: dict[str, Any], n_resources: int) -> dict[str, Any]:
        """Return the candidate's parameters and the amount of the resource."""
        return {**candidate, self.name: n_resources}

    def train_rows(self, split: Split, n_resources: int) -> np.ndarray:
        """Return the whole training part."""
        return split.train

    def new_rows(self, split: Split, n_before: int, n_resources: int) -> np.ndarray:
        """Return no rows."""
        return split.train[:0]


@dataclass(frozen=True)
class SampleResource:
    """The number of samples of X. The training part of a split takes its share of them."""

    n_samples: int
    name: str = N_SAMPLES

    def parameters(self, candidate: dict[str, Any], n_resources: int) -> dict[str, Any]:
        """Return the candidate's parameters."""
        return dict(candidate)

    def train_rows(self, split: Split, n_resources: int) -> np.ndarray:
        """Return the rows that come first in the split's order, sorted as the splitter sorts them."""
        return split.train[self._taken(split, n_resources)]

    def new_rows(self, split: Split, n_before: int, n_resources: int) -> np.ndarray:
        """Return the rows that are not among those of the amount before; a row may be there twice."""
        return split.train[self._taken(split, n_resources) & ~self._taken(split, n_before)]

    def _taken(self, split: Split, n_resources: int) -> np.ndarray:
        """Return for each position of the training part whether a rung takes it."""
        if split.order is None or n_resources >= self.n_samples:
            return np.ones(len(split.train), dtype=bool)
        share = n_resources * len(split.train) // self.n_samples
        taken = np.zeros(len(split.train), dtype=bool)
        taken[split.order[: max(share, split.at_least)]] = True
        return taken


# --- bounds ------------------------------------------------------------------------


def resolve_max_resources(
    max_resources: Any, estimator: Any, resource: str, n_samples: int | None
) -> int:
    """Return the maximum resource as a number."""
    if max_resources != "auto":
        if resource == N_SAMPLES and n_samples is not None and max_resources > n_samples:
            raise ValueError(
                f"max_resources={max_resources} exceeds the {n_samples} samples of X; "
                "lower it, or leave it at 'auto'."
            )
        return int(max_resources)
    if resource == N_SAMPLES:
        if n_samples is None:
            raise ValueError(
                "n_samples=None: with resource='n_samples' and max_resources='auto' the "
                "plan needs X, or n_samples."
            )
        return int(n_samples)
    value = estimator.get_params().get(resource)
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(
            f"max_resources='auto' takes the estimator's {resource}, which is {value!r}; "
            f"give max_resources a number, or set {resource} to a positive integer."
        )
    return int(value)


def resolve_min_resources(
    min_resources: Any, max_resources: int, factor: Fraction, lowest: int, resource: str
) -> Fraction:
    """Return the smallest resource that a rung may have; a word gives no less than `lowest`."""
    if min_resources in ("auto", "exhaust"):
        bound = automatic_min_resources(max_resources, factor)
        return min(max(bound, Fraction(lowest)), Fraction(max_resources))
    smallest = lowest if min_resources == "smallest" else int(min_resources)
    if smallest > max_resources:
        meaning = f" (which is {smallest})" if min_resources == "smallest" else ""
        raise ValueError(
            f"min_resources={min_resources!r}{meaning} exceeds max_resources={max_resources}; "
            f"both are amounts of resource={resource!r}. Lower one or raise the other, or name "
            "another resource."
        )
    return Fraction(smallest)


def lowest_n_samples(
    min_resources: str, estimator: Any, n_splits: int, n_classes: int | None
) -> int:
    """Return the fewest samples of a rung: scikit-learn's number for "smallest"."""
    is_smallest = min_resources == "smallest"
    if not is_classifier(estimator):
        return 2 * n_splits if is_smallest else _SAMPLES_WITHOUT_CLASSES
    if n_classes is None:
        raise ValueError(
            "n_classes=None, since there is no y: the smallest number of samples of a classifier "
            "depends on its classes. Give y, or n_classes to `plan`, or a number as min_resources."
        )
    return n_classes * (2 * n_splits if is_smallest else _SAMPLES_PER_CLASS)


def resolve_min_splits(min_splits: Any, n_splits: int, n_test_samples: int | None) -> int | None:
    """Return the number of splits of the lowest rungs; None for all.

    The number of samples in a test part is None if it is not known; it then suffices.
    """
    if min_splits == "auto":
        if n_test_samples is None:
            return 1
        return min(n_splits, math.ceil(_TEST_SAMPLES_TO_RANK / n_test_samples))
    if min_splits is not None and min_splits > n_splits:
        raise ValueError(
            f"min_splits={min_splits} exceeds the {n_splits} splits of cv; lower "
            "it, or give cv more."
        )
    return None if min_splits is None else int(min_splits)


def guess_test_samples(cv: Any, n_splits: int, n_samples: int) -> int:
    """Return about how many samples a test part has, by what the splitter says of itself."""
    if isinstance(cv, BaseShuffleSplit):
        n_test = _drawn_test_samples(cv, n_samples)
    elif isinstance(getattr(cv, "test_size", None), numbers.Integral):
        n_test = cv.test_size
    elif isinstance(cv, TimeSeriesSplit):
        n_test = n_samples // (n_splits + 1)
    elif isinstance(cv, (list, tuple)):
        n_test = float(np.median([_n_selected(test) for _, test in cv]))
    else:
        n_repeats = getattr(cv, "n_repeats", 1)
        n_test = n_samples / n_splits * (n_repeats if isinstance(n_repeats, int) else 1)
    return max(1, round(n_test))


def _n_selected(rows: Any) -> int:
    """Return how many rows an array of indices, or a mask, selects."""
    rows = np.asarray(rows)
    return int(np.count_nonzero(rows)) if rows.dtype == bool else rows.size


def _drawn_test_samples(cv: BaseShuffleSplit, n_samples: int) -> float:
    """Return the size of a test part that is drawn."""
    counts_groups = isinstance(cv, GroupShuffleSplit)
    n_test = _size_in_samples(cv.test_size, n_samples, counts_groups=counts_groups)
    if n_test is not None:
        return n_test
    n_train = _size_in_samples(cv.train_size, n_samples, counts_groups=counts_groups)
    if cv.test_size is None and n_train is not None:
        return n_samples - n_train
    return default_test_size(cv) * n_samples


def _size_in_samples(size: Any, n_samples: int, *, counts_groups: bool) -> float | None:
    """Return a size, which is a share or a number, in samples; None if it is not known."""
    if size is None or (counts_groups and isinstance(size, numbers.Integral)):
        return None
    return float(size if isinstance(size, numbers.Integral) else size * n_samples)


def kind_of_target(y: Any) -> str | None:
    """Return scikit-learn's name for the kind of y; None where it has none, as for lists of lists."""
    try:
        return str(type_of_target(y))
    except (TypeError, ValueError):
        return None


def count_classes(y: Any) -> int:
    """Return the number of classes, or the largest such number of several outputs.

    What cannot be counted, such as a list of labels for each sample, is one class.
    """
    kind = kind_of_target(y)
    if kind == "multilabel-indicator":
        return 2
    if kind is None:
        return 1
    y = np.asarray(y)
    columns = y.reshape(len(y), -1).T if y.ndim > 1 else [y]
    try:
        return max((len(np.unique(column)) for column in columns), default=1)
    except TypeError:  # Labels of several types, which cannot be sorted.
        return 1


# --- the order in which samples are taken ------------------------------------------


def are_in_time_order(splits: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Return whether each training part lies wholly before its test part.

    A single split says nothing of time: rows are often stacked as training and validation set.
    """
    return len(splits) > 1 and all(train.max() < test.min() for train, test in splits)


def order_samples(
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    classes: np.ndarray | None,
    groups: Any,
    seed: int,
) -> list[Split]:
    """Return the splits, each with the order in which rungs take its samples.

    If the splits are in time order, whatever made them, the most recent samples come first.

    Parameters
    ----------
    splits : sequence of (train, test)
        Row numbers.
    classes, groups : array-like of shape (n_samples,), or None
        Labels to stratify by, and groups to take in turn. If both are given, groups are used.
    seed : int
        Seed of the permutations.
    """
    in_time_order = are_in_time_order(splits)
    ordered = []
    for number, (train, test) in enumerate(splits):
        child = np.random.SeedSequence(seed, spawn_key=(number,))
        rng = np.random.Generator(np.random.PCG64(child))
        labels = None if classes is None else np.asarray(classes)[train]
        if in_time_order:
            order = np.argsort(train, kind="stable")[::-1]
        else:
            of_train = None if groups is None else np.asarray(groups)[train]
            order = _shuffled(len(train), of_train, labels, rng)
        if labels is None:
            ordered.append(Split(train, test, order))
        else:
            order, at_least = _each_class_first(order, labels)
            ordered.append(Split(train, test, order, at_least))
    return ordered


def _shuffled(
    n: int, groups: np.ndarray | None, labels: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """Return a permutation of n positions: groups in turn, else stratified by labels, else plain."""
    if groups is not None:
        return _in_turn(groups, rng)
    if labels is not None:
        return _stratified(labels, rng)
    return rng.permutation(n)


def _stratified(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a permutation in whose prefixes the classes have nearly their overall shares."""
    shuffled = rng.permutation(len(labels))
    _, codes, counts = np.unique(labels[shuffled], return_inverse=True, return_counts=True)
    # The i-th of the c samples of a class is placed at the fraction (i + 1/2) / c of the whole.
    return shuffled[np.argsort((_occurrence(codes) + 0.5) / counts[codes], kind="stable")]


def _in_turn(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a permutation that takes one sample of each group in turn, in a random order."""
    shuffled = rng.permutation(len(groups))
    names, codes = np.unique(groups[shuffled], return_inverse=True)
    turn = rng.permutation(len(names))
    return shuffled[np.lexsort((turn[codes], _occurrence(codes)))]


def _occurrence(codes: np.ndarray) -> np.ndarray:
    """Return, for each element, the number of equal elements before it."""
    by_code = np.argsort(codes, kind="stable")
    sorted_codes = codes[by_code]
    starts = np.searchsorted(sorted_codes, sorted_codes, side="left")
    occurrence = np.empty(len(codes), dtype=np.int64)
    occurrence[by_code] = np.arange(len(codes)) - starts
    return occurrence


def _each_class_first(order: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the order with one sample of each class at the front, and how many those are."""
    _, first = np.unique(labels[order], return_index=True)
    first = np.sort(first)
    rest = np.delete(order, first)
    return np.concatenate([order[first], rest]), len(first)


def order_splits(splits: Sequence[tuple[np.ndarray, np.ndarray]], seed: int) -> Sequence[int]:
    """Return the order in which a growing cross-validation takes its splits.

    If the splits are in time order, the one with the most recent samples comes first.
    """
    if are_in_time_order(splits):
        latest = [(test.max(), train.max(), number) for number, (train, test) in enumerate(splits)]
        return [number for *_, number in sorted(latest, reverse=True)]
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    return [int(split) for split in rng.permutation(len(splits))]
