"""A conversation with a sampler, as a search has it, in which every answer is checked."""

import copy
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from skhyperband._messages import repr_of
from skhyperband._records import LevelResult
from skhyperband._space import Candidate, Space, candidate_key, draws_integers, value_key


class Dialogue:
    """Asks a sampler and tells it levels; raises if it breaks a rule of a single call."""

    def __init__(self, sampler: Any, space: Space):
        self.sampler = sampler
        self.candidates: list[Candidate] = []
        self._space = space
        self._context = ""
        for method in ("ask", "tell"):
            self.require(
                callable(getattr(sampler, method, None)), f"has no method {method!r}; add it"
            )

    def require(self, condition: bool, fault: str) -> None:
        """Raise with the sampler, the fault and what came before, unless the condition holds."""
        if not condition:
            raise AssertionError(self._message(fault))

    def _message(self, fault: str) -> str:
        return f"{repr_of(self.sampler)} {fault}.{self._context}"

    def ask(self, n: int, *, repeat: int, bracket: int) -> list[Candidate]:
        """Return the answer to a question, if it may be given."""
        call = f"ask({n}, repeat={repeat}, bracket={bracket})"
        try:
            answer: Any = self.sampler.ask(n, repeat=repeat, bracket=bracket)
        except Exception as error:
            raise AssertionError(self._message(f"raised {error!r} in {call}")) from error
        self.require(
            isinstance(answer, (list, tuple)),
            f"returned {repr_of(answer)} from {call}; return a list of dicts",
        )
        self.require(
            len(answer) <= n, f"returned {len(answer)} candidates from {call}; return at most {n}"
        )
        for candidate in answer:
            self._check_candidate(candidate, call)
            self.candidates.append(candidate)
        return list(answer)

    def _check_candidate(self, candidate: Any, call: str) -> None:
        returned = f"returned {repr_of(candidate)} from {call}"
        self.require(isinstance(candidate, dict), f"{returned}; each candidate must be a dict")
        self.require(
            all(isinstance(name, str) for name in candidate),
            f"{returned}; the names of parameters must be strings",
        )
        self.require(
            not any(candidate is other for other in self.candidates),
            f"{returned}, the same dict as before; return a new dict for each candidate",
        )
        outside = _values_outside(self._space, candidate)
        self.require(
            outside is not None,
            f"{returned}; its names must be those of param_distributions, or of one dict of them",
        )
        self.require(
            not outside,
            f"{returned}; its values for {outside} do not lie in param_distributions",
        )

    def tell(self, level: LevelResult, what: str = "of the usual kind") -> None:
        """Tell the sampler a level, and check that the sampler leaves it as it is."""
        before = _copy_of_level(level)
        given = list(map(candidate_key, self.candidates))
        try:
            self.sampler.tell(level)
        except Exception as error:
            fault = f"raised {error!r} in tell, for a level {what}; a search has such levels"
            raise AssertionError(self._message(fault)) from error
        self.require(
            _copy_of_level(level) == before,
            f"modified the level in tell, for a level {what}; let it make a copy",
        )
        self.require_unchanged(given)
        self._context = f" (Before, it had been told a level {what}.)"

    def require_unchanged(self, keys: Sequence[Any]) -> None:
        """Raise unless the candidates that the sampler has returned still have these keys."""
        now = map(candidate_key, self.candidates)
        self.require(
            all(a == b for a, b in zip(now, keys, strict=False)),
            "changed a candidate after returning it; let it make a copy",
        )

    def play_round(self, repeat: int, *, told: bool = True) -> list[list[Candidate]]:
        """Run a Hyperband round of three brackets, and return what entered each of them."""
        answers: list[list[Candidate]] = []
        survivors: list[tuple[int, Candidate]] = []
        for bracket, n, n_resources in ((2, 9, 1), (1, 5, 3), (0, 3, 9)):
            given = list(map(candidate_key, self.candidates))
            first = len(self.candidates)
            answers.append(self.ask(n, repeat=repeat, bracket=bracket))
            self.require_unchanged(given)
            running = [*survivors, *enumerate(answers[-1], start=first)]
            if told and running:
                ids, candidates = zip(*running, strict=True)
                scores = usual_scores(len(ids), (repeat, bracket))
                self.tell(
                    make_level(candidates, scores, ids=ids, repeat=repeat, n_resources=n_resources)
                )
            survivors = running[: math.ceil(len(running) / 3)]
        return answers

    def copied(self) -> "Dialogue":
        """Return a dialogue that continues with a deep copy of the sampler."""
        try:
            sampler, candidates = copy.deepcopy((self.sampler, self.candidates))
        except Exception as error:
            fault = f"raised {error!r} when it was copied with copy.deepcopy"
            raise AssertionError(self._message(fault)) from error
        dialogue = Dialogue(sampler, self._space)
        dialogue.candidates = candidates
        return dialogue


def _copy_of_level(level: LevelResult) -> tuple[Any, ...]:
    """Return the contents of a level, in a form that compares."""
    scores = (level.split_scores.tobytes(), level.mean_scores.tobytes())
    return (*map(candidate_key, level.candidates), level.candidate_ids, *scores)


# --- what a sampler is told --------------------------------------------------------

# A search uses the splits in a random order.
_SPLIT_ORDER = (2, 0, 1)
N_SPLITS = len(_SPLIT_ORDER)


def make_level(
    candidates: Sequence[Candidate],
    split_scores: np.ndarray,
    *,
    ids: Sequence[int],
    repeat: int = 0,
    n_resources: int = 1,
    n_splits: int = 2,
) -> LevelResult:
    """Return the result of a level that used some of the splits."""
    used = sorted(_SPLIT_ORDER[:n_splits])
    scores = np.full(split_scores.shape, np.nan)
    scores[:, used] = split_scores[:, used]
    with np.errstate(invalid="ignore"):  # Infinite scores of both signs.
        means = scores[:, used].mean(axis=1)
    return LevelResult(
        repeat=repeat,
        n_resources=n_resources,
        n_splits=n_splits,
        candidate_ids=tuple(ids),
        candidates=tuple(candidates),
        split_scores=scores,
        mean_scores=means,
        n_failures=int(np.isnan(scores[:, used]).sum()),
        n_replayed=0,
        complete=True,
    )


def usual_scores(n: int, seed: Sequence[int] = (0,)) -> np.ndarray:
    """Return scores of n candidates on all splits."""
    return np.random.default_rng(list(seed)).uniform(0.5, 1, size=(n, N_SPLITS))


# --- candidates and the space ------------------------------------------------------


def _describe_value(value: Any) -> Any:
    """Return what equal values share, whether they are the same objects or copies."""
    if isinstance(value, (list, tuple)):
        return type(value), tuple(map(_describe_value, value))
    key = value_key(value)
    if key != (type(value), id(value)):
        return key
    return type(value), re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def describe_answers(answers: Sequence[Sequence[Candidate]]) -> list[list[dict[str, Any]]]:
    """Return answers in a form in which equal candidates compare as equal."""
    return [[_describe_candidate(candidate) for candidate in answer] for answer in answers]


def _describe_candidate(candidate: Candidate) -> dict[str, Any]:
    return {name: _describe_value(value) for name, value in candidate.items()}


def _contains(values: Any, value: Any) -> bool:
    """Return whether a list has the value, or a distribution can give it."""
    if isinstance(values, range):
        return value_key(value)[0] is int and int(value) in values
    if not hasattr(values, "rvs"):
        is_the_same = any(value is other for other in values)  # Saves time.
        return is_the_same or _describe_value(value) in map(_describe_value, values)
    if not hasattr(values, "support"):
        return True
    try:
        low, high = values.support()
    except (TypeError, ValueError):  # It means something else by its support.
        return True
    try:
        is_within = np.all((low <= value) | np.isclose(low, value, atol=0)) and np.all(
            (value <= high) | np.isclose(value, high, atol=0)
        )
        is_kind = not draws_integers(values) or np.all(np.equal(np.floor(value), value))
        return bool(is_within and is_kind)
    except TypeError:  # Neither a number nor an array.
        return False


def _values_outside(space: Space, candidate: Candidate) -> list[str] | None:
    """Return the names of values that lie outside the space; None if the names are wrong."""
    parts = [part for part in space if part.keys() == candidate.keys()]
    outside = [
        [name for name, value in candidate.items() if not _contains(part[name], value)]
        for part in parts
    ]
    return min(outside, key=len, default=None)


def snapshot(space: Space) -> list[dict[str, Any]]:
    """Return what changes if the space is modified in place."""
    return [{name: _snapshot_of(values) for name, values in part.items()} for part in space]


def _snapshot_of(values: Any) -> Any:
    if hasattr(values, "rvs"):
        return id(values), id(getattr(values, "random_state", None))
    return values if isinstance(values, range) else [value_key(value) for value in values]
