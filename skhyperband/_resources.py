"""Decides what a resource is: its bounds, and how a rung's amount of it is applied."""

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.multiclass import type_of_target

from skhyperband._plan import automatic_min_resources

N_SAMPLES = "n_samples"


@dataclass(frozen=True, eq=False)
class Split:
    """One split of the cross-validation, and the order in which its training part grows.

    Attributes
    ----------
    train, test : ndarray of int
        Row numbers, in the splitter's order.
    order : ndarray of int, or None
        Positions in `train`: a rung takes a prefix. None: always the whole.
    at_least : int
        The shortest prefix that holds a sample of each class.
    """

    train: np.ndarray
    test: np.ndarray
    order: np.ndarray | None = None
    at_least: int = 1


class Resource(Protocol):
    """What a search spends."""

    @property
    def name(self) -> str:
        """What it is called in `resource=`."""

    def parameters(self, candidate: dict[str, Any], n_resources: int) -> dict[str, Any]:
        """Return what is set on the estimator."""

    def train_rows(self, split: Split, n_resources: int) -> np.ndarray:
        """Return the rows that it is fitted on."""


@dataclass(frozen=True)
class ParameterResource:
    """A parameter of the estimator that counts something: trees, iterations, epochs."""

    name: str

    def parameters(self, candidate: dict[str, Any], n_resources: int) -> dict[str, Any]:
        """Return the candidate with the amount."""
        return {**candidate, self.name: n_resources}

    def train_rows(self, split: Split, n_resources: int) -> np.ndarray:
        """Return the whole training part."""
        return split.train


@dataclass(frozen=True)
class SampleResource:
    """The number of samples, counted in those of X: a split takes its share."""

    n_samples: int
    name: str = N_SAMPLES

    def parameters(self, candidate: dict[str, Any], n_resources: int) -> dict[str, Any]:
        """Return the candidate as it is."""
        return candidate

    def train_rows(self, split: Split, n_resources: int) -> np.ndarray:
        """Return the first rows of the split's order, as the splitter ordered them."""
        if split.order is None or n_resources >= self.n_samples:
            return split.train
        share = n_resources * len(split.train) // self.n_samples
        taken = np.zeros(len(split.train), dtype=bool)
        taken[split.order[: max(share, split.at_least)]] = True
        return split.train[taken]


# --- bounds ------------------------------------------------------------------------


def resolve_max_resources(
    max_resources: Any, estimator: Any, resource: str, n_samples: int | None
) -> int:
    """Return R as a number."""
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
        return n_samples
    value = estimator.get_params().get(resource)
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(
            f"max_resources='auto' takes the estimator's {resource}, which is {value!r}; "
            f"give max_resources a number, or set {resource} to a positive integer."
        )
    return int(value)


def resolve_min_resources(
    min_resources: Any,
    max_resources: int,
    factor: Fraction,
    samples_needed: int,
) -> Fraction:
    """Return the bound below which no rung goes.

    `samples_needed` is what scikit-learn starts with: 1 where the resource is a
    parameter.
    """
    if min_resources in ("auto", "exhaust"):
        bound = max(automatic_min_resources(max_resources, factor), Fraction(samples_needed))
        return min(bound, Fraction(max_resources))
    smallest = samples_needed if min_resources == "smallest" else int(min_resources)
    if smallest > max_resources:
        meaning = f" (which is {smallest})" if min_resources == "smallest" else ""
        raise ValueError(
            f"min_resources={min_resources!r}{meaning} exceeds max_resources={max_resources}; "
            "lower one or raise the other."
        )
    return Fraction(smallest)


def samples_needed(estimator: Any, n_splits: int, n_classes: int | None) -> int:
    """Return twice the splits, for a classifier times the classes."""
    if not is_classifier(estimator):
        return 2 * n_splits
    if n_classes is None:
        raise ValueError(
            "n_classes=None: the smallest number of samples of a classifier depends on "
            "it; give n_classes, X and y, or a number as min_resources."
        )
    return 2 * n_splits * n_classes


def count_classes(y: Any) -> int:
    """Return the number of classes, of several outputs the largest."""
    if type_of_target(y) == "multilabel-indicator":
        return 2
    y = np.asarray(y)
    columns = y.reshape(len(y), -1).T if y.ndim > 1 else [y]
    return max((len(np.unique(column)) for column in columns), default=1)


# --- the order in which samples are taken ------------------------------------------


def are_in_time_order(splits: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Return whether each training part lies wholly before its test part."""
    return all(train.max() < test.min() for train, test in splits)


def order_samples(
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    classes: np.ndarray | None,
    groups: Any,
    seed: int,
) -> list[Split]:
    """Return the splits, each with the one order in which its samples are taken.

    Where each training part lies before its test part, whatever made the splits, the
    most recent samples come first.

    Parameters
    ----------
    splits : sequence of (train, test)
        Row numbers.
    classes, groups : array-like of shape (n_samples,), or None
        Labels to stratify by, and groups to take in turn; groups go before labels.
    seed : int
        Of the permutations.
    """
    in_time_order = are_in_time_order(splits)
    ordered = []
    for number, (train, test) in enumerate(splits):
        child = np.random.SeedSequence(seed, spawn_key=(number,))
        rng = np.random.Generator(np.random.PCG64(child))
        labels = None if classes is None else np.asarray(classes)[train]
        if in_time_order:
            order = np.argsort(train, kind="stable")[::-1]
        elif groups is not None:
            order = _in_turn(np.asarray(groups)[train], rng)
        elif labels is not None:
            order = _stratified(labels, rng)
        else:
            order = rng.permutation(len(train))
        at_least = 1
        if labels is not None:
            order, at_least = _each_class_first(order, labels)
        ordered.append(Split(train, test, order, at_least))
    return ordered


def _stratified(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Permute so that every prefix has the classes nearly in the proportions of the whole."""
    shuffled = rng.permutation(len(labels))
    _, codes, counts = np.unique(labels[shuffled], return_inverse=True, return_counts=True)
    # The i-th of a class with c members stands at (i + 1/2) / c of the way.
    return shuffled[np.argsort((_occurrence(codes) + 0.5) / counts[codes], kind="stable")]


def _in_turn(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Permute so that the groups, in a random order, give one sample each in turn."""
    shuffled = rng.permutation(len(groups))
    names, codes = np.unique(groups[shuffled], return_inverse=True)
    turn = rng.permutation(len(names))
    return shuffled[np.lexsort((turn[codes], _occurrence(codes)))]


def _occurrence(codes: np.ndarray) -> np.ndarray:
    """Return, for each element, how many equal ones stand before it."""
    by_code = np.argsort(codes, kind="stable")
    sorted_codes = codes[by_code]
    starts = np.searchsorted(sorted_codes, sorted_codes, side="left")
    occurrence = np.empty(len(codes), dtype=np.int64)
    occurrence[by_code] = np.arange(len(codes)) - starts
    return occurrence


def _each_class_first(order: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Move the first sample of each class to the front; return how many those are."""
    _, first = np.unique(labels[order], return_index=True)
    first = np.sort(first)
    rest = np.delete(order, first)
    return np.concatenate([order[first], rest]), len(first)


def order_splits(splits: Sequence[tuple[np.ndarray, np.ndarray]], seed: int) -> Sequence[int]:
    """Return the order in which a growing cross-validation takes its splits.

    In time order the one with the most recent samples is first.
    """
    if are_in_time_order(splits):
        latest = [(test.max(), train.max(), number) for number, (train, test) in enumerate(splits)]
        return [number for *_, number in sorted(latest, reverse=True)]
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    return [int(split) for split in rng.permutation(len(splits))]
