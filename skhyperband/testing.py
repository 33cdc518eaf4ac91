"""Checks for the tests of objects that users write themselves, such as samplers."""

import contextlib
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from skhyperband._messages import repr_of
from skhyperband._sampler_dialogue import (
    N_SPLITS,
    Dialogue,
    describe_answers,
    make_level,
    snapshot,
    usual_scores,
)
from skhyperband._samplers.base import Sampler
from skhyperband._samplers.random import RandomSampler
from skhyperband._space import (
    Candidate,
    Space,
    as_space,
    candidate_key,
    check_space,
    count_occurrences,
    count_points,
    is_finite,
)

__all__ = ["check_sampler"]

# Larger spaces are not drawn from until nothing is left.
_LARGEST_EXHAUSTED = 1000


def check_sampler(
    make_sampler: Callable[[], Sampler],
    param_distributions: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    allow_duplicates: bool = False,
) -> None:
    """Check that a sampler follows the protocol that the searches rely on.

    The samplers that `make_sampler` returns are asked and told as in small searches, with all
    that may happen in one: levels in which some or all evaluations failed, infinite scores,
    candidates that the sampler did not draw, and a sampler that is never told anything. These
    requirements are checked:

    - ``ask(n, repeat=, bracket=)`` returns a list of at most n dicts, and at least one
      candidate in the first call with a positive n.
    - Each candidate has the names of one dict of the space, and values that lie in it.
    - Each candidate is a dict of its own, and the sampler does not change it afterwards.
    - A finite space (lists only) is drawn from without duplicates; otherwise no two brackets
      get the same candidates.
    - The same calls give the same candidates. These do not depend on the time, or on the
      global random states of NumPy and Python, which the sampler does not change.
    - Neither ``ask`` nor ``tell`` raises an exception, or modifies the space or a level.
    - A deep copy of the sampler continues as the original does, and independently of it.

    Parameters
    ----------
    make_sampler : callable
        Function that returns a new sampler, always with the same seed. It is called many
        times, without arguments. A class whose constructor needs no arguments can be passed
        as it is.
    param_distributions : dict or list of dict
        Search space from which the sampler draws, in the form in which a search takes it. Pass
        the very object that the samplers use, so that a sampler that modifies it is noticed.
    allow_duplicates : bool, default=False
        Whether the sampler may return a candidate more than once.

    Raises
    ------
    AssertionError
        If the sampler does not meet a requirement. The message says which one, and what the
        sampler did.
    TypeError, ValueError
        If `make_sampler` is not callable, or `param_distributions` is not a space.

    See Also
    --------
    skhyperband.Sampler : The protocol, with an example of a sampler that follows it.

    Notes
    -----
    Values from a list are compared with those in the list by type and value, and values from a
    distribution with its ``support()``, if it has that method. Finite spaces of more than 1000
    candidates are not drawn from until they are exhausted. All checks run in one process, so
    that a dependence on the hashes of strings, such as on the order of a set, is not noticed.

    Examples
    --------
    This sampler draws with the same seed for every bracket:

    >>> import numpy as np
    >>> from scipy.stats import uniform
    >>> from skhyperband.testing import check_sampler
    >>> class UniformSampler:
    ...     def ask(self, n, *, repeat, bracket):
    ...         rng = np.random.default_rng(0)
    ...         return [{"subsample": rng.uniform()} for _ in range(n)]
    ...
    ...     def tell(self, level):
    ...         pass
    ...
    ...     def __repr__(self):
    ...         return "UniformSampler()"
    >>> check_sampler(UniformSampler, {"subsample": uniform(0, 1)})
    Traceback (most recent call last):
        ...
    AssertionError: UniformSampler() returned the same candidates for several brackets...
    """
    if not callable(make_sampler):
        raise TypeError(
            f"make_sampler={repr_of(make_sampler)} must be a function, or a class, that returns "
            "a new sampler each time that it is called without arguments."
        )
    check_space(param_distributions, lists_only=False)
    case = _Case(make_sampler, as_space(param_distributions), allow_duplicates)
    space_before = snapshot(case.space)
    with _global_random_states(0, 0):
        for check in _CHECKS:
            check(case)
            _require(
                snapshot(case.space) == space_before,
                "The sampler modified param_distributions; let it make a copy.",
            )


class _Case(NamedTuple):
    """A kind of sampler and the space that it draws from."""

    make_sampler: Callable[[], Sampler]
    space: Space
    allow_duplicates: bool

    def start(self) -> Dialogue:
        """Return a dialogue with a new sampler."""
        return Dialogue(self.make_sampler(), self.space)


def _require(condition: bool, message: str) -> None:
    # Not an assert statement, which `python -O` leaves out.
    if not condition:
        raise AssertionError(message)


# --- what a sampler is told --------------------------------------------------------


def _scores_with(value: float, *, step: int = 1, splits: slice = slice(None)) -> Any:
    """Return a function that makes scores, of which some are replaced by the value."""

    def scores(n: int) -> np.ndarray:
        made = usual_scores(n)
        made[::step, splits] = value
        return made

    return scores


def _scores_of_both_infinities(n: int) -> np.ndarray:
    made = usual_scores(n)
    made[::3] = np.inf
    made[1::3, 0] = -np.inf
    made[2::3, 0] = np.inf
    made[2::3, 2] = -np.inf
    return made


# Levels that a search may come to, in the words of the messages: how to make their scores, and
# how many splits they use.
_UNUSUAL_SCORES: dict[str, tuple[Callable[[int], np.ndarray], int]] = {
    "in which some candidates failed": (_scores_with(np.nan, step=2), 2),
    "in which all candidates failed": (_scores_with(np.nan), 2),
    "in which some splits of each candidate failed": (
        _scores_with(np.nan, splits=slice(0, 1)),
        N_SPLITS,
    ),
    "in which some scores are infinite": (_scores_of_both_infinities, 2),
    "in which all scores are infinite": (_scores_with(-np.inf), 2),
    "in which all scores are equal": (_scores_with(0.5), N_SPLITS),
    "that used one split only": (usual_scores, 1),
}


def _foreign_candidates(space: Space) -> dict[str, list[Candidate]]:
    """Return candidates that a search may contain although its sampler did not draw them."""
    drawn = RandomSampler(space, 12345, 12345).ask(3, repeat=0, bracket=0)
    return {
        "with candidates of the space that the sampler did not draw": drawn,
        "with a candidate that has no parameters": [{}],
        "with a candidate that has another parameter": [{"a_name_outside_the_space": 1}],
        "with a candidate whose values lie outside the space": [
            dict.fromkeys(candidate) for candidate in drawn
        ],
    }


# --- randomness and time -----------------------------------------------------------


@contextlib.contextmanager
def _global_random_states(numpy_seed: int, python_seed: int) -> Iterator[None]:
    """Seed the global random states, and restore them at the end."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    np.random.seed(numpy_seed)
    random.seed(python_seed)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)


@contextlib.contextmanager
def _clock_ahead(seconds: int) -> Iterator[None]:
    """Let `time.time` and `time.time_ns` be ahead of the real time."""
    real_time, real_time_ns = time.time, time.time_ns

    def later() -> float:
        return real_time() + seconds

    def later_ns() -> int:
        return real_time_ns() + seconds * 10**9

    with mock.patch.multiple(time, time=later, time_ns=later_ns):
        yield


# --- the checks --------------------------------------------------------------------


def _check_samplers_are_new(case: _Case) -> None:
    one, other = case.make_sampler(), case.make_sampler()

    _require(
        one is not other,
        f"make_sampler returned the same object twice, {repr_of(one)}; let it make a new one.",
    )


def _check_numbers_of_candidates(case: _Case) -> None:
    dialogue = case.start()

    dialogue.ask(0, repeat=0, bracket=3)
    first = dialogue.ask(1, repeat=0, bracket=2)
    dialogue.require(
        bool(first), "returned no candidate from its first call with n=1; return at least one"
    )
    dialogue.ask(7, repeat=0, bracket=1)
    dialogue.ask(0, repeat=0, bracket=0)


def _check_reproducible(case: _Case) -> None:
    # All dialogues are kept, so that no two samplers have the same identity.
    with _global_random_states(_SEED, _SEED):
        dialogues = [case.start()]
        usual = _play_two_rounds(dialogues[0])
        kept = {
            "NumPy": np.random.random() == np.random.RandomState(_SEED).random_sample(),
            "Python": random.random() == random.Random(_SEED).random(),
        }
    for fault, clock_ahead, numpy_seed, python_seed in _DISTURBANCES:
        with _clock_ahead(clock_ahead), _global_random_states(numpy_seed, python_seed):
            dialogues.append(case.start())
            again = _play_two_rounds(dialogues[-1])
        dialogues[-1].require(
            again == usual,
            f"{fault}; seed its random numbers with a seed of its own, repeat and bracket",
        )
    for library, is_kept in kept.items():
        dialogues[0].require(
            is_kept, f"changed the global random state of {library}; use a generator of its own"
        )


# No usual one: a sampler that seeds a global random state itself must arrive at another state.
_SEED = 1718281828

# Faults of samplers, and what shows each: seconds, seed of NumPy, seed of Python.
_DISTURBANCES = (
    (
        "returned other candidates than an equal sampler did for the same calls, because of "
        "random numbers without a seed, the time, the identity of objects, or shared state",
        0,
        _SEED,
        _SEED,
    ),
    ("depends on the global random state of NumPy", 0, _SEED + 1, _SEED),
    ("depends on the global random state of Python", 0, _SEED, _SEED + 1),
    ("depends on the time", 10**5, _SEED, _SEED),
)


def _play_two_rounds(dialogue: Dialogue) -> list[list[dict[str, Any]]]:
    return describe_answers([*dialogue.play_round(0), *dialogue.play_round(1)])


def _check_brackets_differ(case: _Case) -> None:
    if case.allow_duplicates or is_finite(case.space):
        return
    dialogue = case.start()

    brackets = [(0, 2), (0, 1), (1, 2), (1, 1)]
    answers = describe_answers([dialogue.ask(5, repeat=r, bracket=s) for r, s in brackets])

    for one, other in itertools.combinations(answers, 2):
        # A space of few values may give equal candidates by chance.
        is_varied = len(one) > 1 and all(a != b for a, b in itertools.combinations(one, 2))
        dialogue.require(
            one != other or not is_varied,
            "returned the same candidates for several brackets; let its random numbers depend on "
            "repeat and bracket",
        )


def _check_finite_space(case: _Case) -> None:
    if not is_finite(case.space):
        return
    dialogue = case.start()

    _play_two_rounds(dialogue)
    n = min(count_points(case.space), _LARGEST_EXHAUSTED) + 3
    dialogue.ask(n, repeat=2, bracket=1)
    dialogue.ask(3, repeat=2, bracket=0)

    if not case.allow_duplicates:
        _require_no_duplicates(dialogue, case.space)


def _require_no_duplicates(dialogue: Dialogue, space: Space) -> None:
    candidates = {candidate_key(candidate): candidate for candidate in dialogue.candidates}
    for key, n_times in Counter(map(candidate_key, dialogue.candidates)).items():
        # A list may have a value several times.
        dialogue.require(
            n_times == 1 or n_times <= count_occurrences(space, candidates[key]),
            f"returned {repr_of(candidates[key])} {n_times} times; return each candidate of a "
            "finite space once, or set allow_duplicates=True",
        )


def _check_never_told(case: _Case) -> None:
    dialogue = case.start()

    for repeat in range(2):
        dialogue.play_round(repeat, told=False)


def _check_unusual_scores(case: _Case) -> None:
    for what, (make_scores, n_splits) in _UNUSUAL_SCORES.items():
        dialogue = case.start()
        candidates = dialogue.ask(6, repeat=0, bracket=2)
        ids = range(len(candidates))
        level = make_level(candidates, make_scores(len(ids)), ids=ids, n_splits=n_splits)

        dialogue.tell(level, what)
        dialogue.ask(3, repeat=0, bracket=1)
        # With aggressive_elimination a search repeats a level.
        dialogue.tell(level, f"{what}, for the second time")
        dialogue.ask(2, repeat=0, bracket=0)
        dialogue.play_round(1)


def _check_foreign_candidates(case: _Case) -> None:
    for what, candidates in _foreign_candidates(case.space).items():
        level = make_level(candidates, usual_scores(len(candidates)), ids=range(len(candidates)))

        told_first = case.start()
        told_first.tell(level, f"{what}, before it was asked")
        told_first.ask(3, repeat=0, bracket=1)

        # What a journal has from earlier searches.
        ids = [-1 - i for i in range(len(candidates))]
        known = make_level(candidates, usual_scores(len(ids)), ids=ids, repeat=-1)
        told_of_earlier = case.start()
        told_of_earlier.tell(known, f"{what}, of an earlier search")
        told_of_earlier.play_round(0)

        asked_first = case.start()
        asked_first.ask(3, repeat=0, bracket=2)
        asked_first.tell(level, what)
        asked_first.ask(3, repeat=0, bracket=1)


def _check_copies(case: _Case) -> None:
    for what, n_rounds in (("new sampler", 0), ("sampler that was told levels", 1)):
        dialogue = case.start()
        for repeat in range(n_rounds):
            dialogue.play_round(repeat)

        of_copy = describe_answers(dialogue.copied().play_round(n_rounds))
        of_original = describe_answers(dialogue.play_round(n_rounds))

        dialogue.require(
            of_copy == of_original,
            f"differs from its copy: a deep copy of a {what} returned other candidates than the "
            "original did for the same calls. Let its state be copied, and let nothing be shared",
        )


_CHECKS: tuple[Callable[[_Case], None], ...] = (
    _check_samplers_are_new,
    _check_numbers_of_candidates,
    _check_finite_space,
    _check_never_told,
    _check_reproducible,
    _check_brackets_differ,
    _check_unusual_scores,
    _check_foreign_candidates,
    _check_copies,
)
