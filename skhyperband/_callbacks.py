"""Tells scikit-learn's callbacks, of version 1.9 and later, what a search does.

All of it happens in the main process: no task that is sent to a worker has anything of it.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from skhyperband._data import SearchData, fit_all
from skhyperband._evaluator import Evaluator
from skhyperband._observers import Observer
from skhyperband._records import LevelResult, Outcome, RungEntry, StopReason, Task
from skhyperband._schedule import Level
from skhyperband._sklearn_compat import callback_context, handing_callbacks

# The names of scikit-learn's own searches, and of a level.
_SEARCH = "search"
_LEVEL = "level"
_EVALUATION = "candidate-split-evaluation"
_REFIT = "refit-with-best-params"


def begin_callbacks(search: Any, data: SearchData) -> "SearchCallbacks | None":
    """Tell the callbacks of a search that its fit begins; return None if there are none."""
    context = callback_context(search, n_subtasks=2 if search.refit else 1)
    if context is None:
        return None
    callbacks = SearchCallbacks(search, context, data)
    callbacks.fit_begin()
    return callbacks


class SearchCallbacks(Observer):
    """The tree of tasks that callbacks are told of.

    The fit of a search consists of the search and the refit, the search of levels, and a level of
    evaluations. If a callback returns true at the end of a level or an evaluation, the search ends.

    Parameters
    ----------
    search : search estimator
        It is given to the callbacks, with the results so far at the end of a level.
    context : CallbackContext
        The root of the tree.
    data : SearchData
    """

    def __init__(self, search: Any, context: Any, data: SearchData):
        self._search = search
        self._fit_context = context
        self._data = data
        self._search_context: Any = None
        self._level_context: Any = None
        # The evaluations that began, by the identity of their tasks; the task keeps it unique.
        self._evaluations: dict[int, tuple[Task, Any]] = {}
        self._n_begun = 0
        self._errors: list[Exception] = []
        self._lock = threading.Lock()
        self._in_process = False
        self._training_part: Callable[[Task], dict[str, Any]] = lambda task: {}
        self._show_results: Callable[[], None] = lambda: None

    def attach(
        self, evaluator: Evaluator, *, in_process: bool, show_results: Callable[[], None]
    ) -> None:
        """Connect the callbacks with the fits, if these run in this process.

        Parameters
        ----------
        evaluator : Evaluator
        in_process : bool
            Whether the evaluator is called in this process.
        show_results : callable
            Sets the attributes of the search to the results so far.
        """
        self._in_process = in_process
        self._show_results = show_results
        subsets = evaluator.new_selector()

        def training_part(task: Task) -> dict[str, Any]:
            pairwise = evaluator.is_pairwise(task)
            train, _ = subsets.train_and_test(task.split, task.n_resources, pairwise)
            data, params = train.fit_arguments()
            return _hook_arguments(*data, params=params)

        self._training_part = training_part
        evaluator.around_fit = self.around_fit

    # -- the fit of the search

    def _all_data(self) -> dict[str, Any]:
        params = {**self._data.score_params, **self._data.fit_params}
        return _hook_arguments(self._data.X, self._data.y, params=params)

    def fit_begin(self) -> None:
        """Tell that the fit begins."""
        self._begin(self._fit_context, **self._all_data())

    def fit_end(self) -> None:
        """Tell that the fit has ended; the search is fitted now."""
        fitted: dict[str, Any] | None = {} if self._search.refit else None
        self._end(self._fit_context, **self._all_data(), reconstruction_attributes=fitted)

    @contextlib.contextmanager
    def refit(self, estimator: Any) -> Iterator[None]:
        """Context of the refit, whose estimator the callbacks reach."""
        context = self._fit_context.subcontext(task_name=_REFIT)
        with handing_callbacks(context, estimator):
            self._begin(context, **self._all_data())
            yield
        self._end(context, **self._all_data())

    # -- the search

    def search_begin(self, n_levels: int | None) -> None:
        """Tell that the search begins."""
        self._search_context = self._fit_context.subcontext(
            task_name=_SEARCH, max_subtasks=n_levels
        )
        self._begin(self._search_context)

    def level_begin(self, level: Level, entries: Sequence[RungEntry], n_evaluations: int) -> None:
        """Tell that a level begins."""
        self._level_context = self._search_context.subcontext(
            task_name=_LEVEL, max_subtasks=n_evaluations, sequential_subtasks=False
        )
        self._n_begun = 0
        self._begin(self._level_context)

    def evaluation_begin(self, entry: RungEntry, task: Task) -> None:
        """Tell that an evaluation begins; in this process its fit does that."""
        if not self._in_process:
            self._begin_evaluation(self._evaluation_of(task), task)

    def evaluation_end(self, entry: RungEntry, task: Task, outcome: Outcome) -> None:
        """Tell that an evaluation has ended; raise the error of a hook in its fit."""
        if self._errors:
            raise self._errors[0]
        if id(task) not in self._evaluations:  # It was answered from a journal, or not fitted.
            self._begin_evaluation(self._evaluation_of(task), task)
        self._end_evaluation(task)

    def level_end(self, level: Level, result: LevelResult, seconds: float) -> None:
        """Tell that a level has ended, and before it the evaluations that it has given up."""
        for task, _ in list(self._evaluations.values()):
            self._end_evaluation(task)
        self._show_results()
        # What is cut short is refitted at once.
        refitted = self._refitted if result.complete else None
        self.stop_requested |= self._end(
            self._level_context, **self._all_data(), reconstruction_attributes=refitted
        )
        self._level_context = None

    def search_end(self, reason: StopReason) -> None:
        """Tell that the search has ended, unless an exception ends the fit."""
        if reason != "interrupted":
            self._end(self._search_context)

    def _refitted(self) -> dict[str, Any] | None:
        """Return what makes a copy of the search ready to predict, as if it had ended now.

        It is refitted only for callbacks that ask for a fitted estimator. They get none if that
        fails.
        """
        search = self._search
        if not search.refit or not hasattr(search, "best_params_"):
            return None
        best = search._unfitted_best()
        for part in [best, *best.get_params(deep=True).values()]:
            if hasattr(part, "set_callbacks") and not isinstance(part, type):
                part.set_callbacks()  # This fit is no part of the search.
        data = self._data
        try:
            fit_all(best, data.X, data.y, data.fit_params)
        except Exception:
            return None
        names = ("feature_names_in_",) if hasattr(best, "feature_names_in_") else ()
        return {"best_estimator_": best, **{name: getattr(best, name) for name in names}}

    # -- an evaluation

    @contextlib.contextmanager
    def around_fit(self, task: Task, estimator: Any) -> Iterator[None]:
        """Context of a fit in this process, whose estimator the callbacks reach.

        The estimator is None where training is continued, in whichever way: callbacks do not
        reach that.

        An error of a hook is no failure of the fit. It ends the search after it.
        """
        if self._level_context is None:
            # Before the first level, the estimator as it is given is measured.
            yield
            return
        if id(task) in self._evaluations:
            # Its training could not be continued, and a fresh fit follows.
            yield
            return
        context = self._evaluation_of(task)
        with handing_callbacks(context, estimator):
            try:
                self._begin_evaluation(context, task)
            except Exception as error:
                self._errors.append(error)
            yield

    def _evaluation_of(self, task: Task) -> Any:
        """Return a new context for the evaluation of a task."""
        with self._lock:  # Fits in several threads may begin at the same time.
            context = self._level_context.subcontext(task_name=_EVALUATION, task_id=self._n_begun)
            self._n_begun += 1
            self._evaluations[id(task)] = task, context
        return context

    def _begin_evaluation(self, context: Any, task: Task) -> None:
        self._begin(context, **_lazily(lambda: self._training_part(task)))

    def _end_evaluation(self, task: Task) -> None:
        _, context = self._evaluations.pop(id(task))
        self.stop_requested |= self._end(context, **_lazily(lambda: self._training_part(task)))

    # -- hooks

    def _begin(self, context: Any, **arguments: Any) -> None:
        context.call_on_fit_task_begin(estimator=self._search, **arguments)

    def _end(self, context: Any, **arguments: Any) -> bool:
        return bool(context.call_on_fit_task_end(estimator=self._search, **arguments))


def _hook_arguments(X: Any, y: Any = None, *, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what hooks are given of the data, as scikit-learn's own searches give it."""
    weights = params.get("sample_weight")
    metadata = None if weights is None else {"sample_weight": weights}
    return {"X": X, "y": y, "metadata": metadata}


def _lazily(compute: Callable[[], dict[str, Any]]) -> dict[str, Callable[[], Any]]:
    """Return arguments of hooks that are computed once, when the first callback asks for one."""
    known: dict[str, Any] = {}

    def value_of(name: str) -> Any:
        if not known:
            known.update(compute())
        return known[name]

    return {name: functools.partial(value_of, name) for name in ("X", "y", "metadata")}
