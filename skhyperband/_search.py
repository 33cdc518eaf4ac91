"""Decides how a search is used: the two estimators, and their brackets."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from skhyperband._base import HalvingSearch
from skhyperband._parameters import explaining_other_names
from skhyperband._plan import Bracket, Plan, hyperband, largest_power, successive_halving
from skhyperband._resources import N_SAMPLES


class SuccessiveHalvingSearchCV(HalvingSearch):
    """Search by successive halving: many candidates with little, the best with all.

    All candidates are evaluated with a small amount of a resource (training
    samples, trees, iterations); the best 1 / `factor` of them go on with `factor`
    times as much, until the last rung has exactly `max_resources` [1]_.

    Parameters
    ----------
    estimator : estimator
        What is tuned. It needs a `score` method, or `scoring`.
    param_distributions : dict or list of dict
        Names of parameters to lists of values or to distributions with an `rvs`
        method, as in `RandomizedSearchCV`; lists only with ``n_candidates="all"``.
    n_candidates : int, "exhaust" or "all", default="exhaust"
        How many candidates enter. ``"exhaust"``: as many as end with one candidate
        at `max_resources`. ``"all"``: the full grid.
    factor : float, default=3
        By what the candidates are divided and the resource is multiplied from rung
        to rung; 1.01 or more, and taken as the decimal number that it prints as.
    resource : str, default="n_samples"
        ``"n_samples"``, or a parameter of the estimator that takes positive
        integers, such as ``"n_estimators"`` or ``"clf__max_iter"``.
    max_resources : int or "auto", default="auto"
        The resource of the last rung. ``"auto"``: all samples, or the value that the
        estimator has for the parameter.
    min_resources : int, "auto", "smallest" or "exhaust", default="auto"
        No rung has less. ``"auto"`` leaves room for four halvings, and for samples
        is at least twice the splits, for a classifier times the classes;
        ``"smallest"`` is that product, 1 for a parameter; ``"exhaust"`` means
        ``"auto"``.
    min_splits : int or None, default=None
        None: every rung uses every split. A number: low rungs use so many splits,
        and the cross-validation grows last.
    aggressive_elimination : bool, default=False
        Whether the lowest rung is repeated where the resources do not allow as many
        halvings as the candidates; the repeated rungs train nothing.
    sampler : "random" or object, default="random"
        What draws the candidates: as `ParameterSampler` does, or an object with
        ``ask(n)``, which returns up to n dicts of parameters named in
        `param_distributions`, and ``tell(candidates, scores, n_resources)``. A copy
        of it is used.
    initial_candidates : list of dict, default=None
        Evaluated first, counted in `n_candidates`; ``{}`` is the estimator as given.
    continue_training : "auto", bool or callable, default="auto"
        Whether a candidate that goes on trains on from its last rung. ``"auto"``:
        where the result is that of a fresh fit, bit by bit; True: also where it is
        only of the same kind; False: never. A callable does it the user's way:
        ``continue_training(fitted, n_resources, X, y, **fit_params)`` is given the
        estimator of the last rung, the total it is to have and the rung's training
        rows (no `y` where there is none), and returns the fitted estimator.
    scoring : str, callable, list, tuple or dict, default=None
        As in `GridSearchCV`.
    rank_by : str, default=None
        With several metrics, the one that promotes; None: the one that `refit`
        names.
    refit : bool, str or callable, default=True
        Whether the best is fitted again on all rows; of several metrics the name of
        the one that says which is best; or a callable that is given the rows of
        `cv_results_` at the highest level and returns the index of one.
    cv : int, splitter or iterable, default=5
        As in `GridSearchCV`; it is read once, so that it may shuffle.
    n_jobs : int, default=None
        How many evaluations run at a time, as everywhere in scikit-learn.
    pre_dispatch : int or str, default="2*n_jobs"
        How many evaluations are handed to the workers ahead.
    max_time : float or datetime.timedelta, default=None
        Seconds after which no evaluation starts. Those that run are awaited, a level
        that is not finished counts with the splits that all its candidates have (if
        there are none, the level below decides), and the best is refitted.
    journal : str or os.PathLike, default=None
        A file that every finished evaluation is kept in (SQLite), made if it is not
        there. A search of the same data and estimator that is given the same file
        takes from it what it would measure again, after a crash as well as with other
        candidates, bounds or factor.
    random_state : int, RandomState instance or None, default=None
        Of the candidates, the samples and the order of the splits.
    error_score : float or "raise", default=np.nan
        Stands for the score of what failed; ``"raise"`` ends the search.
    return_train_score : bool, default=False
        Whether `cv_results_` has scores of the training parts.
    verbose : int, default=0
        From 1, a line is printed for each level.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        A row for each candidate on each rung. Beside scikit-learn's columns:
        `repeat`, `bracket`, `iter` (the rung in its bracket), `candidate_id`,
        `n_resources`, `n_splits`, and `n_resources_trained`: what a split's fit took
        on average, less than `n_resources` where training went on, so that it times
        `n_splits`, added up, is what the search cost. `params` includes the resource.
        `rank_test_*` ranks the level first and the score second. Splits that a rung
        did not use are NaN.
    best_estimator_ : estimator
        The best candidate fitted on all rows; with `refit` only.
    best_score_ : float
        Its mean score.
    best_params_ : dict
        Its parameters, the resource included.
    best_index_ : int
        Its row.
    plan_ : Plan
        The schedule as it was run.
    rungs_ : RungTable
        What each rung came to; it prints as a table.
    n_candidates_, n_resources_ : list of int
        Rung by rung.
    min_resources_, max_resources_ : int
        The bounds.
    n_iterations_ : int
        How many rungs there were.
    n_required_iterations_, n_possible_iterations_ : int
        How many the candidates would need, and how many the resources allow.
    n_remaining_candidates_ : int
        How many one more halving would have left.
    stop_reason_ : {"completed", "space_exhausted", "max_time", "interrupted"}
        Why the search ended; ``"interrupted"`` by Ctrl-C or an exception.
    n_replayed_ : int
        How many evaluations were taken from the `journal`.
    n_splits_ : int
        The number of splits.
    scorer_ : callable or dict of callable
        What scored.
    multimetric_ : bool
        Whether there were several metrics.
    refit_time_ : float
        Seconds of the refit.
    classes_ : ndarray of shape (n_classes,)
        Those of `best_estimator_`.
    n_features_in_ : int
        That of `best_estimator_`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Those of `best_estimator_`, where it has them.

    See Also
    --------
    HyperbandSearchCV : Hedges between many candidates and much resource.

    References
    ----------
    .. [1] K. Jamieson and A. Talwalkar, "Non-stochastic Best Arm Identification and
       Hyperparameter Optimization", AISTATS 2016.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from skhyperband import SuccessiveHalvingSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = SuccessiveHalvingSearchCV(
    ...     SVC(), {"C": loguniform(0.01, 100)}, n_candidates=9, min_resources=15, random_state=0
    ... )
    >>> search.fit(X, y).n_candidates_
    [9, 3, 1]
    >>> search.n_resources_
    [16, 50, 150]
    >>> search.best_score_ > 0.9
    True
    """

    @explaining_other_names
    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_candidates: Any = "exhaust",
        factor: Any = 3,
        resource: Any = N_SAMPLES,
        max_resources: Any = "auto",
        min_resources: Any = "auto",
        min_splits: Any = None,
        aggressive_elimination: Any = False,
        sampler: Any = "random",
        initial_candidates: Any = None,
        continue_training: Any = "auto",
        scoring: Any = None,
        rank_by: Any = None,
        refit: Any = True,
        cv: Any = 5,
        n_jobs: Any = None,
        pre_dispatch: Any = "2*n_jobs",
        max_time: Any = None,
        journal: Any = None,
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: Any = False,
        verbose: Any = 0,
    ):
        super().__init__(
            estimator,
            param_distributions,
            n_candidates=n_candidates,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            min_splits=min_splits,
            sampler=sampler,
            initial_candidates=initial_candidates,
            continue_training=continue_training,
            scoring=scoring,
            rank_by=rank_by,
            refit=refit,
            cv=cv,
            n_jobs=n_jobs,
            pre_dispatch=pre_dispatch,
            max_time=max_time,
            journal=journal,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
            verbose=verbose,
        )
        self.aggressive_elimination = aggressive_elimination

    _n_candidates_words = ("exhaust", "all")

    def _brackets(
        self, ladder: Sequence[tuple[int, int]], factor: Fraction, available: int | None
    ) -> list[Bracket]:
        return [
            successive_halving(
                {"exhaust": None, "all": available}.get(self.n_candidates, self.n_candidates),
                ladder,
                factor,
                aggressive_elimination=self.aggressive_elimination,
            )
        ]

    def _set_schedule(self, plan: Plan) -> None:
        rungs = plan.rungs
        self.n_candidates_ = [rung.n_candidates for rung in rungs]
        self.n_resources_ = [rung.n_resources for rung in rungs]
        self.n_required_iterations_ = 1 + largest_power(plan.factor, plan.n_candidates)
        self.n_possible_iterations_ = len(set(plan.ladder))


class HyperbandSearchCV(HalvingSearch):
    """Search by Hyperband: several brackets of successive halving, from bold to safe.

    Successive halving must be told how many candidates to start with: many, each
    with little, or few, each with much. Hyperband tries all such trade-offs [1]_. Its
    brackets run together, level by level: all rungs of one resource are one batch.

    Parameters
    ----------
    estimator : estimator
        What is tuned. It needs a `score` method, or `scoring`.
    param_distributions : dict or list of dict
        Names of parameters to lists of values or to distributions with an `rvs`
        method, as in `RandomizedSearchCV`.
    n_candidates : int or "auto", default="auto"
        The size of the widest bracket; the others scale with it. ``"auto"``: as many
        as end with one candidate at `max_resources`.
    factor : float, default=3
        By what the candidates are divided and the resource is multiplied from rung
        to rung; 1.01 or more, and taken as the decimal number that it prints as.
    n_brackets : int or "all", default="all"
        How many brackets, the most exploratory first.
    n_repeats : int or None, default=1
        How many whole rounds, one after another, each with new candidates; None: as
        many as begin before `max_time`.
    promotion : {"bracket", "level"}, default="bracket"
        Whether a bracket's candidates compete among themselves, as published, or the
        candidates of all brackets at a level for the sum of their places.
    resource : str, default="n_samples"
        ``"n_samples"``, or a parameter of the estimator that takes positive
        integers, such as ``"n_estimators"`` or ``"clf__max_iter"``.
    max_resources : int or "auto", default="auto"
        The resource of the last rung. ``"auto"``: all samples, or the value that the
        estimator has for the parameter.
    min_resources : int, "auto", "smallest" or "exhaust", default="auto"
        No rung has less. ``"auto"`` leaves room for four halvings, and for samples
        is at least twice the splits, for a classifier times the classes;
        ``"smallest"`` is that product, 1 for a parameter; ``"exhaust"`` means
        ``"auto"``.
    min_splits : int or None, default=None
        None: every rung uses every split. A number: low rungs use so many splits,
        and the cross-validation grows last.
    sampler : "random" or object, default="random"
        What draws the candidates: as `ParameterSampler` does, or an object with
        ``ask(n)``, which returns up to n dicts of parameters named in
        `param_distributions`, and ``tell(candidates, scores, n_resources)``. A copy
        of it is used.
    initial_candidates : list of dict, default=None
        Evaluated first, counted in the widest bracket; ``{}`` is the estimator as
        given.
    continue_training : "auto", bool or callable, default="auto"
        Whether a candidate that goes on trains on from its last rung. ``"auto"``:
        where the result is that of a fresh fit, bit by bit; True: also where it is
        only of the same kind; False: never. A callable does it the user's way:
        ``continue_training(fitted, n_resources, X, y, **fit_params)`` is given the
        estimator of the last rung, the total it is to have and the rung's training
        rows (no `y` where there is none), and returns the fitted estimator.
    scoring : str, callable, list, tuple or dict, default=None
        As in `GridSearchCV`.
    rank_by : str, default=None
        With several metrics, the one that promotes; None: the one that `refit`
        names.
    refit : bool, str or callable, default=True
        Whether the best is fitted again on all rows; of several metrics the name of
        the one that says which is best; or a callable that is given the rows of
        `cv_results_` at the highest level and returns the index of one.
    cv : int, splitter or iterable, default=5
        As in `GridSearchCV`; it is read once, so that it may shuffle.
    n_jobs : int, default=None
        How many evaluations run at a time, as everywhere in scikit-learn.
    pre_dispatch : int or str, default="2*n_jobs"
        How many evaluations are handed to the workers ahead.
    max_time : float or datetime.timedelta, default=None
        Seconds after which no evaluation starts. Those that run are awaited, a level
        that is not finished counts with the splits that all its candidates have (if
        there are none, the level below decides), and the best is refitted.
    journal : str or os.PathLike, default=None
        A file that every finished evaluation is kept in (SQLite), made if it is not
        there. A search of the same data and estimator that is given the same file
        takes from it what it would measure again, after a crash as well as with other
        candidates, bounds or factor.
    random_state : int, RandomState instance or None, default=None
        Of the candidates, the samples and the order of the splits.
    error_score : float or "raise", default=np.nan
        Stands for the score of what failed; ``"raise"`` ends the search.
    return_train_score : bool, default=False
        Whether `cv_results_` has scores of the training parts.
    verbose : int, default=0
        From 1, a line is printed for each level.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        A row for each candidate on each rung. Beside scikit-learn's columns:
        `repeat`, `bracket` (the paper's s), `iter` (the rung in its bracket),
        `candidate_id`, `n_resources`, `n_splits`, and `n_resources_trained`: what a
        split's fit took on average, less than `n_resources` where training went on, so
        that it times `n_splits`, added up, is what the search cost. `params` includes
        the resource.
        `rank_test_*` ranks the level first and the score second. Splits that a rung
        did not use are NaN. With ``promotion="level"`` a candidate may move to
        another bracket's rung.
    best_estimator_ : estimator
        The best candidate fitted on all rows; with `refit` only.
    best_score_ : float
        Its mean score.
    best_params_ : dict
        Its parameters, the resource included.
    best_index_ : int
        Its row.
    plan_ : Plan
        The schedule as it was run.
    rungs_ : RungTable
        What each rung came to; it prints as a table.
    n_candidates_, n_resources_ : list of int
        Level by level.
    min_resources_, max_resources_ : int
        The bounds.
    n_iterations_ : int
        How many levels there were.
    n_remaining_candidates_ : int
        How many one more halving would have left.
    stop_reason_ : {"completed", "space_exhausted", "max_time", "interrupted"}
        Why the search ended; ``"interrupted"`` by Ctrl-C or an exception.
    n_replayed_ : int
        How many evaluations were taken from the `journal`.
    n_splits_ : int
        The number of splits.
    scorer_ : callable or dict of callable
        What scored.
    multimetric_ : bool
        Whether there were several metrics.
    refit_time_ : float
        Seconds of the refit.
    classes_ : ndarray of shape (n_classes,)
        Those of `best_estimator_`.
    n_features_in_ : int
        That of `best_estimator_`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Those of `best_estimator_`, where it has them.

    See Also
    --------
    SuccessiveHalvingSearchCV : One bracket only.

    References
    ----------
    .. [1] L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh and A. Talwalkar,
       "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization",
       Journal of Machine Learning Research 18(185), 2018.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skhyperband import HyperbandSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = HyperbandSearchCV(
    ...     RandomForestClassifier(random_state=0),
    ...     {"max_depth": range(1, 9), "max_features": [1, 2, 3, 4]},
    ...     resource="n_estimators", max_resources=9, cv=3, random_state=0,
    ... )
    >>> print(search.plan(X, y))
    bracket  iter  n_candidates  n_resources  n_splits
          2     0             9            1         3
          2     1             3            3         3
          2     2             1            9         3
          1     0             5            3         3
          1     1             1            9         3
          0     0             3            9         3
    17 candidates for n_estimators, factor 3, 3 splits. Cost in full fits: 26.0 fresh, 23.0 continued; random search over the same candidates: 51.
    >>> search.fit(X, y).best_score_ > 0.9
    True
    """

    @explaining_other_names
    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_candidates: Any = "auto",
        factor: Any = 3,
        n_brackets: Any = "all",
        n_repeats: Any = 1,
        promotion: Any = "bracket",
        resource: Any = N_SAMPLES,
        max_resources: Any = "auto",
        min_resources: Any = "auto",
        min_splits: Any = None,
        sampler: Any = "random",
        initial_candidates: Any = None,
        continue_training: Any = "auto",
        scoring: Any = None,
        rank_by: Any = None,
        refit: Any = True,
        cv: Any = 5,
        n_jobs: Any = None,
        pre_dispatch: Any = "2*n_jobs",
        max_time: Any = None,
        journal: Any = None,
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: Any = False,
        verbose: Any = 0,
    ):
        super().__init__(
            estimator,
            param_distributions,
            n_candidates=n_candidates,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            min_splits=min_splits,
            sampler=sampler,
            initial_candidates=initial_candidates,
            continue_training=continue_training,
            scoring=scoring,
            rank_by=rank_by,
            refit=refit,
            cv=cv,
            n_jobs=n_jobs,
            pre_dispatch=pre_dispatch,
            max_time=max_time,
            journal=journal,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
            verbose=verbose,
        )
        self.n_brackets = n_brackets
        self.n_repeats = n_repeats
        self.promotion = promotion

    _n_candidates_words = ("auto",)

    def _brackets(
        self, ladder: Sequence[tuple[int, int]], factor: Fraction, available: int | None
    ) -> list[Bracket]:
        return [
            bracket
            for repeat in range(self.n_repeats or 1)
            for bracket in hyperband(
                None if self.n_candidates == "auto" else self.n_candidates,
                ladder,
                factor,
                n_brackets=None if self.n_brackets == "all" else self.n_brackets,
                repeat=repeat,
            )
        ]

    def _set_schedule(self, plan: Plan) -> None:
        levels = plan.levels
        self.n_candidates_ = [sum(rung.n_candidates for rung in level.rungs) for level in levels]
        self.n_resources_ = [level.n_resources for level in levels]
