"""The two searches: their parameters, and the brackets that each of them runs."""

from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Any, Literal

import numpy as np

from skhyperband._base import BaseHalvingSearchCV
from skhyperband._brackets import BracketRules, Promotion
from skhyperband._param_validation import explaining_other_names
from skhyperband._plan import Plan
from skhyperband._samplers import Sampler
from skhyperband._schedule import Bracket, LevelSize, hyperband, largest_power, successive_halving
from skhyperband._typing import (
    ContinueTraining,
    CrossValidation,
    ErrorScore,
    InitialCandidates,
    JournalPath,
    MaxTime,
    MinResources,
    MinSplits,
    OptunaSampler,
    ParamDistributions,
    RandomState,
    Refit,
    SamplerName,
    Scoring,
)

# The widest bracket of Hyperband has at least so many candidates, even where few halvings are
# possible.
_FEWEST_CANDIDATES = 9
# So many times `factor` candidates reach the last rung of successive halving.
_FINALISTS_PER_FACTOR = 2


class SuccessiveHalvingSearchCV(BaseHalvingSearchCV):
    """Search over hyperparameters by successive halving.

    All candidates are first evaluated with a small amount of a resource, such as
    training samples, trees or iterations. The best 1 / `factor` of them are promoted:
    they are evaluated again with `factor` times as much, counted over all splits: first the
    amount grows, then the number of splits (see `min_splits`). This is repeated until the
    last rung, where the remaining candidates are evaluated with `max_resources` [1]_.
    Candidates that turn out to be bad therefore cost little.

    The search is used like scikit-learn's `RandomizedSearchCV`. The method `plan`
    returns the schedule and its cost before anything is fitted.

    Parameters
    ----------
    estimator : estimator object
        Estimator whose hyperparameters are tuned. It is cloned for every fit. It must
        have a ``score`` method unless `scoring` is given.
    param_distributions : dict or list of dict
        Dictionary with the names of parameters as keys, such as ``"max_depth"``, or
        ``"svc__C"`` for a step of a pipeline, and lists of values or distributions as
        values. A distribution has an ``rvs`` method, as those of ``scipy.stats`` do. Values are drawn uniformly from lists. If a list of
        dictionaries is given, each candidate is drawn from one of them. If
        ``n_candidates="all"``, only lists are allowed.
    sampler : str, Sampler or Optuna sampler, default="random"
        Strategy that draws the candidates.

        - ``"random"`` draws them as scikit-learn's `ParameterSampler` does, without
          replacement if all values are given as lists.
        - ``"sobol"`` spreads them evenly over the space.
        - ``"model"``, ``"gp"``, ``"forest"``, ``"tpe"`` and the samplers of Optuna learn from
          the scores of earlier candidates, as described for `HyperbandSearchCV`. Here they
          have earlier candidates to learn from only with `max_time`, which runs several
          rounds, or with a `journal` that has evaluations already.
        - An object with the methods of `Sampler` is a strategy of your own. `fit` uses a
          deep copy of it.
    initial_candidates : list of dict, default=None
        Candidates that are evaluated before any others, for example a configuration
        that is known to work well. They count towards `n_candidates`, and
        the sampler draws the rest. An empty dictionary stands for `estimator` as it is
        given.
    scoring : str, callable, list, tuple or dict, default=None
        Metric or metrics by which the candidates are evaluated on the test set of each
        split, in any form that scikit-learn's `GridSearchCV` accepts. If None, the
        ``score`` method of `estimator` is used. If there are several metrics, `rank_by`
        or `refit` must name the one that decides which candidates are promoted.
    rank_by : str, default=None
        Name of the metric that decides which candidates are promoted, if there are
        several metrics. If None, it is the metric that `refit` names. Set it if `refit`
        is not the name of a metric, or names another one.
    cv : int, cross-validation splitter or iterable, default=5
        Number of folds, a splitter of scikit-learn, or an iterable of pairs of training
        and test indices. For an int, the folds are stratified if `estimator` is a
        classifier, and the samples are not shuffled. None is the same as 5. The splits
        are generated once for each call of `fit`, so that all candidates are evaluated
        on the same splits even if the splitter shuffles.
    n_candidates : int, "auto", "exhaust" or "all", default="auto"
        Number of candidates that are evaluated on the first rung.

        - An int is this number. Give one to search more or fewer candidates than
          ``"auto"`` chooses.
        - ``"auto"`` is the number that is reduced to ``2 * factor`` candidates on the last
          rung by as many halvings as the bounds of the resource allow: 54 with the other
          defaults, which cost about as much as those of `HyperbandSearchCV`.
        - ``"exhaust"`` is the number that these halvings reduce to one candidate.
        - ``"all"`` evaluates every point of the grid that `param_distributions` spans.
    factor : float, default=3
        Number by which the candidates are divided, and the amount of the resource is
        multiplied, from one rung to the next. It is any number above 1 and is taken as
        the decimal number that it prints as, so that ``1.1`` is exactly 11 / 10. A
        smaller factor discards the candidates more gradually, over more rungs.
    resource : str, default="auto"
        Resource that increases from rung to rung.

        - ``"n_samples"`` is the number of samples.
        - The name of a parameter of `estimator` that takes positive integers, such as
          ``"n_estimators"`` or ``"clf__max_iter"``, is this parameter. It must not be in
          `param_distributions`. Choose a parameter if it determines how long a fit takes.
        - ``"auto"`` is the number of trees or iterations of `estimator`, or of the last
          step of a pipeline, if its training can be continued with a result that is
          identical to that of a fit from scratch, if `max_resources` can be determined,
          and if the number is not searched over. Otherwise, it is ``"n_samples"``. The
          method `plan` and the attribute `resource_` show the choice.
    max_resources : int or "auto", default="auto"
        Amount of the resource on the last rung. ``"auto"`` is the number of samples in
        `X` if the resource is ``"n_samples"``, and otherwise the value that the
        parameter has in `estimator`. Give an int if that value is None, or to train the
        final candidates longer.
    min_resources : int, "auto", "smallest" or "exhaust", default="auto"
        Lower bound of the amount of the resource on all rungs. The amounts themselves
        follow from `max_resources`, `factor` and the numbers of splits, so that the lowest rung
        usually has somewhat more than this bound.

        - An int is the bound itself. Give one if you know that smaller amounts do not
          tell good candidates from bad ones.
        - ``"auto"`` is ``max_resources / factor``. If the resource is ``"n_samples"``, it is
          at least 5 for each class if `estimator` is a classifier, and at least 10
          otherwise.
        - ``"smallest"`` is 1 for a parameter. For ``"n_samples"`` it is twice the number
          of splits, multiplied by the number of classes if `estimator` is a classifier.
        - ``"exhaust"`` is the same as ``"auto"``. It is accepted because scikit-learn's
          halving searches have it.
    min_splits : int, "auto" or None, default="auto"
        Number of cross-validation splits on the lowest rungs. The resource grows first
        and the number of splits last: a rung uses more than `min_splits` splits only if
        its resource is `max_resources`.

        - An int is this number. A small number makes low rungs cheaper and their scores
          noisier.
        - ``"auto"`` is the smallest number of splits whose test sets hold about 50 samples
          together. It is 1 unless the dataset is small, and at most the number of splits.
        - None is the number of all splits, so that every rung uses all of them.
    aggressive_elimination : bool, default=False
        Whether to repeat the first rung if the resource allows fewer halvings than the
        number of candidates requires. Each repetition discards candidates by the scores
        that they have already, and trains nothing. If False, more candidates reach the
        last rung.
    max_time : float or datetime.timedelta, default=None
        Time limit of the search without the refit; a float is a number of seconds. The
        search makes the best of this time. It first evaluates `estimator` as it is
        given on one split, with the largest and the smallest amount of the resource, to
        find out how long that takes; further worker processes evaluate it on further
        splits. A round that is expected to fit into the time is run as without a limit.
        Otherwise its candidates come in a few smaller rounds, which the column
        ``repeat`` of `cv_results_` numbers: the first takes about a third of the time,
        or nine tenths of it if `sampler` does not learn from scores, and the next ones
        take what is left. Each round has new candidates, and its best ones are evaluated with
        `max_resources`. If the first round does not fit,
        `estimator` as it is given is a further candidate of it, since with little time
        all others may be worse. If a level takes longer than expected, fewer candidates
        are promoted.

        No evaluation is started after `max_time`, but for the first one with
        `max_resources`, which is made in any case. The evaluations that are running are
        completed, however long they take. If the last level is incomplete, its candidates are compared on the
        splits that all of them have finished; if there is no such split, the best
        candidate is chosen from the levels before. The best candidate is refitted with
        `max_resources` in any case; a warning says if no candidate was evaluated with
        that. If there was no time for any candidate, the result is `estimator` as it is
        given.
    max_fit_time : float or datetime.timedelta, default=None
        Time limit of a single evaluation, which is the fit of one candidate on one split,
        with its scores; a float is a number of seconds. An evaluation that takes longer is
        ended, and fails: its score is `error_score`. This protects the search from
        candidates whose fit takes very long or never ends. The evaluations then have
        worker processes of their own, even with one worker, and a fit that ends its
        process, for example by a segmentation fault, costs only its candidate. The refit
        has no limit. With joblib's backend ``"threading"`` and several workers it is an
        error, since a thread cannot be ended.
    continue_training : "auto", bool or callable, default="auto"
        Whether the estimators of promoted candidates continue their training from the
        previous rung instead of being fitted from scratch.

        - ``"auto"`` continues the training if the result is known to be identical to
          that of a fit from scratch, bit by bit.
        - ``True`` also continues it if the result is only similar, for example with
          `partial_fit`, or with boosting on random subsets of the samples. Use it for
          estimators that are expensive to fit, such as neural networks.
        - ``False`` always fits from scratch.
        - A callable continues the training of estimators for which this package cannot
          do it. ``continue_training(fitted, n_resources, X, y, **fit_params)`` receives
          the estimator from the previous rung, the total amount of the resource that it
          should have, and the training data of the new rung. It returns the fitted
          estimator. `y` is not passed if there is none.
    n_jobs : int, default=None
        Number of evaluations that run at the same time. An evaluation is the fit of one
        candidate on one split, with its scores. None means 1 unless in a
        ``joblib.parallel_config`` context. -1 means all processors. With joblib's backends
        ``"dask"`` and ``"ray"``, None and -1 mean all of the cluster.
    pre_dispatch : int or str, default="2*n_jobs"
        Number of evaluations that are handed to the workers in advance: an int, an
        expression such as ``"2*n_jobs"``, or ``"all"``. A lower number saves memory.
    journal : str or os.PathLike, default=None
        Path of a SQLite file that stores every finished evaluation. It is created if
        it does not exist. A later search with the same data and the same class of
        estimator reads from this file what it would otherwise compute again. Use it to
        resume a search that was interrupted, or to extend a search by more candidates
        or other amounts of the resource. `read_journal` returns its content.
    random_state : int, RandomState instance or None, default=None
        Controls how candidates are drawn, in which order training samples are added and
        in which order splits are used. Pass an int for reproducible results.
    refit : bool, str or callable, default=True
        Whether to fit an estimator with the best parameters on the whole dataset. It is
        then available as `best_estimator_`, and the search has its methods, such as
        `predict`.

        With several metrics, a str is the name of the metric by which the best
        candidate is chosen. A callable chooses it in any other way: it receives the
        rows of `cv_results_` at the highest level that was reached (see Notes), or, if
        nothing has a score there, at the highest one with a score, and returns the index
        of one of them.
    error_score : float or "raise", default=np.nan
        Value of the score if an error occurs in fitting or scoring. If ``"raise"``, the
        error is raised. If a number, a warning at the end of the search shows the
        errors. Candidates with a score of NaN rank last.
    return_train_score : bool, default=False
        Whether `cv_results_` includes the scores on the training sets. They show how
        much candidates overfit, and take time to compute.
    verbose : int, default=0
        Controls the verbosity. If it is 1, a line is printed after each level, with the
        time since the start and an estimate of the time that remains. If it is 2 or more,
        a line is printed after each evaluation as well.

    Attributes
    ----------
    best_estimator_ : estimator
        Estimator with the parameters `best_params_`, fitted on the whole dataset. Not
        available if ``refit=False``, or if the search was interrupted, until
        `refit_best` is called.
    best_score_ : float
        Mean cross-validated score of the best candidate. With several metrics, it is the
        score by the metric that `refit` names, or otherwise by the one that decided
        which candidates were promoted.
    best_params_ : dict
        Parameters of the best candidate. If the resource is a parameter of the
        estimator, they include it with the value `max_resources_`, even if no
        candidate was evaluated with that. If the best candidate failed with more
        resources than those of its score, it is the value that it was evaluated with.
    best_index_ : int
        Row of `cv_results_` that holds the best candidate.
    refit_time_ : float
        Time in seconds for fitting the best estimator on the whole dataset. Available
        if `best_estimator_` is.
    cv_results_ : dict of str to ndarray of shape (n_rows,)
        Results of the search, with a row for each candidate on each rung. It can be
        converted into a `pandas.DataFrame`. It has the columns that the `cv_results_` of
        `GridSearchCV` has, and the following ones:

        - ``repeat``, ``bracket`` and ``iter``: the rung, as in `Plan`;
        - ``candidate_id``: a number that identifies the candidate on all of its rungs;
        - ``n_resources`` and ``n_splits``: the amount of the resource and the number of
          splits with which the candidate was evaluated;
        - ``n_resources_trained``: the mean amount of the resource that had to be
          trained for each split. It is smaller than ``n_resources`` if training was
          continued or if some splits had been evaluated before. Multiplied by
          ``n_splits`` and summed over all rows, it is the cost of the search.

        The dictionaries in ``params`` include the resource if it is a parameter of the
        estimator. The scores of splits that a rung did not use are NaN.
        ``rank_test_*`` ranks candidates of higher levels before those of lower levels,
        and by their scores within a level.
    rungs_ : RungTable
        Summary of the results of each rung, with advice for a further search.
    stop_reason_ : {"completed", "space_exhausted", "max_time", "callback", "interrupted"}
        Reason why the search ended: all rungs were evaluated, the sampler had no
        further candidates, the time limit was reached, a callback asked for the end, or
        an exception such as `KeyboardInterrupt` was raised.
    n_replayed_ : int
        Number of evaluations whose results were read from the `journal`.
    plan_ : Plan
        Schedule that was executed. It differs from the one that `plan` returns if the
        search ended early or had several rounds because of `max_time`.
    resource_ : str
        Name of the resource.
    min_resources_ : int
        Lower bound of the amount of the resource.
    max_resources_ : int
        Amount of the resource on the last rung.
    n_candidates_ : list of int
        Number of candidates on each rung.
    n_resources_ : list of int
        Amount of the resource on each rung.
    n_iterations_ : int
        Number of rungs that were evaluated.
    n_required_iterations_ : int
        Number of rungs that are required to leave fewer than `factor` candidates.
    n_possible_iterations_ : int
        Number of rungs that the bounds of the resource allow.
    n_remaining_candidates_ : int
        Number of candidates that one more halving would leave.
    n_splits_ : int
        Number of cross-validation splits.
    scorer_ : callable or dict of str to callable
        Scorer that evaluated the candidates; a dictionary for several metrics.
    multimetric_ : bool
        Whether there were several metrics.
    classes_ : ndarray of shape (n_classes,)
        Class labels. Available if `best_estimator_` has them.
    n_features_in_ : int
        Number of features seen during `fit`. Available if `best_estimator_` has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Available if `best_estimator_` has them.

    See Also
    --------
    HyperbandSearchCV : Runs several successive halvings, which start with different
        amounts of the resource.
    sklearn.model_selection.HalvingRandomSearchCV : Successive halving in scikit-learn.
    sklearn.model_selection.RandomizedSearchCV : Evaluates all candidates in full.

    Notes
    -----
    A level consists of all rungs of a round that have the same amount of the resource and
    the same number of splits. Scores can be compared only if both are the same, in
    whichever round. The best candidate is therefore chosen among those of all rounds that
    were evaluated with the most of both, which is `max_resources` and all splits unless
    the search ended early.

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
    >>> search = SuccessiveHalvingSearchCV(SVC(), {"C": loguniform(0.01, 100)}, random_state=0)
    >>> search.fit(X, y).n_candidates_
    [18, 6]
    >>> search.n_resources_
    [125, 150]
    >>> print(f"{search.best_score_:.2f}")
    0.99
    """

    n_candidates: int | Literal["auto", "exhaust", "all"]
    n_required_iterations_: int
    n_possible_iterations_: int

    @explaining_other_names
    def __init__(
        self,
        estimator: Any,
        param_distributions: ParamDistributions,
        *,
        sampler: SamplerName | Sampler | OptunaSampler = "random",
        initial_candidates: InitialCandidates = None,
        scoring: Scoring = None,
        rank_by: str | None = None,
        cv: CrossValidation = 5,
        n_candidates: int | Literal["auto", "exhaust", "all"] = "auto",
        factor: float = 3,
        resource: str = "auto",
        max_resources: int | Literal["auto"] = "auto",
        min_resources: MinResources = "auto",
        min_splits: MinSplits = "auto",
        aggressive_elimination: bool = False,
        max_time: MaxTime = None,
        max_fit_time: MaxTime = None,
        continue_training: ContinueTraining = "auto",
        n_jobs: int | None = None,
        pre_dispatch: int | str = "2*n_jobs",
        journal: JournalPath = None,
        random_state: RandomState = None,
        refit: Refit = True,
        error_score: ErrorScore = np.nan,
        return_train_score: bool = False,
        verbose: int = 0,
    ):
        super().__init__(
            estimator,
            param_distributions,
            sampler=sampler,
            initial_candidates=initial_candidates,
            scoring=scoring,
            rank_by=rank_by,
            cv=cv,
            n_candidates=n_candidates,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            min_splits=min_splits,
            max_time=max_time,
            max_fit_time=max_fit_time,
            continue_training=continue_training,
            n_jobs=n_jobs,
            pre_dispatch=pre_dispatch,
            journal=journal,
            random_state=random_state,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            verbose=verbose,
        )
        self.aggressive_elimination = aggressive_elimination

    _n_candidates_words = ("auto", "exhaust", "all")

    def _brackets(
        self, ladder: Sequence[LevelSize], factor: Fraction, available: int | None
    ) -> list[Bracket]:
        if self.n_candidates == "auto":
            n_candidates = floor(_FINALISTS_PER_FACTOR * factor ** len(ladder))
        elif self.n_candidates == "exhaust":
            n_candidates = None
        elif self.n_candidates == "all":
            n_candidates = available
        else:
            n_candidates = int(self.n_candidates)
        bracket = successive_halving(
            n_candidates,
            ladder,
            factor,
            aggressive_elimination=self.aggressive_elimination,
        )
        return [bracket]

    def _schedule_attributes(self, plan: Plan) -> dict[str, Any]:
        rungs = plan.rungs
        widest = max(bracket.n_candidates for bracket in plan.brackets)
        return {
            "n_candidates_": [rung.n_candidates for rung in rungs],
            "n_resources_": [rung.n_resources for rung in rungs],
            "n_required_iterations_": 1 + largest_power(plan.factor, widest),
            "n_possible_iterations_": len(set(plan.ladder)),
        }


class HyperbandSearchCV(BaseHalvingSearchCV):
    """Search over hyperparameters with Hyperband.

    Successive halving either starts with many candidates and a small amount of the
    resource, or with few candidates and a large amount. The former discards candidates
    by scores that may say little about the final ranking, and the latter evaluates only
    few candidates. Hyperband runs several brackets of successive halving, from one extreme
    to the other [1]_. It is a safe choice when you do not know whether short runs
    predict the final ranking.

    The brackets run at the same time: all rungs that have the same amount of the
    resource and the same number of splits form a level, and their candidates are
    evaluated together.

    The search is used like scikit-learn's `RandomizedSearchCV`. The method `plan`
    returns the schedule and its cost before anything is fitted.

    Parameters
    ----------
    estimator : estimator object
        Estimator whose hyperparameters are tuned. It is cloned for every fit. It must
        have a ``score`` method unless `scoring` is given.
    param_distributions : dict or list of dict
        Dictionary with the names of parameters as keys, such as ``"max_depth"``, or
        ``"svc__C"`` for a step of a pipeline, and lists of values or distributions as
        values. A distribution has an ``rvs`` method, as those of ``scipy.stats`` do. Values are drawn uniformly from lists. If a list of
        dictionaries is given, each candidate is drawn from one of them.
    sampler : str, Sampler or Optuna sampler, default="model"
        Strategy that draws the candidates.

        - ``"random"`` draws them as scikit-learn's `ParameterSampler` does, without
          replacement if all values are given as lists.
        - ``"sobol"`` spreads them evenly over the space.
        - ``"model"`` learns from the scores of earlier candidates. The first bracket is
          drawn at random, unless a `journal` has scores already. From then on, a quarter of
          each bracket (rounded up) is drawn at random, and the rest are the candidates for which a model
          considers the highest scores possible. This is the model that did best in our
          measurements, at present a Gaussian process.
        - ``"gp"`` and ``"forest"`` are the same with a Gaussian process and with a random
          forest, in this and in later versions.
        - ``"tpe"`` learns with the tree-structured Parzen estimator of Optuna, which must be
          installed. Other samplers of Optuna can be passed as objects, unless they need the
          names or values of parameters; they draw all candidates themselves.
        - An object with the methods of `Sampler` is a strategy of your own:
          ``ask(n, *, repeat, bracket)`` returns candidates, and ``tell(level)`` receives
          the scores of a completed level. `fit` uses a deep copy of it.
    initial_candidates : list of dict, default=None
        Candidates that are evaluated before any others, for example a configuration
        that is known to work well. They count towards the size of the widest bracket, and
        the sampler draws the rest. An empty dictionary stands for `estimator` as it is
        given.
    scoring : str, callable, list, tuple or dict, default=None
        Metric or metrics by which the candidates are evaluated on the test set of each
        split, in any form that scikit-learn's `GridSearchCV` accepts. If None, the
        ``score`` method of `estimator` is used. If there are several metrics, `rank_by`
        or `refit` must name the one that decides which candidates are promoted.
    rank_by : str, default=None
        Name of the metric that decides which candidates are promoted, if there are
        several metrics. If None, it is the metric that `refit` names. Set it if `refit`
        is not the name of a metric, or names another one.
    cv : int, cross-validation splitter or iterable, default=5
        Number of folds, a splitter of scikit-learn, or an iterable of pairs of training
        and test indices. For an int, the folds are stratified if `estimator` is a
        classifier, and the samples are not shuffled. None is the same as 5. The splits
        are generated once for each call of `fit`, so that all candidates are evaluated
        on the same splits even if the splitter shuffles.
    n_candidates : int or "auto", default="auto"
        Number of candidates on the first rung of the widest bracket. The sizes of the
        other brackets scale with it. ``"auto"`` is the number that the halvings of the
        widest bracket reduce to one candidate, and at least 9. Give an int to search more or
        fewer candidates with the same amounts of the resource.
    factor : float, default=3
        Number by which the candidates are divided, and the amount of the resource is
        multiplied, from one rung to the next. It is any number above 1 and is taken as
        the decimal number that it prints as, so that ``1.1`` is exactly 11 / 10. A
        smaller factor discards the candidates more gradually, over more rungs.
    n_brackets : int, "auto" or "all", default="auto"
        Number of brackets in each round.

        - An int keeps the brackets that start with the most candidates. The brackets that
          are left out cost the most for each candidate, but depend the least on the
          scores of low rungs.
        - ``"auto"`` leaves out the last bracket, which is a random search, unless it is the
          only one.
        - ``"all"`` is one bracket for each possible number of halvings, as published.
    n_repeats : int or None, default=3
        Number of rounds of Hyperband. They run one after another, each with new
        candidates, which a sampler that learns chooses by the scores of all earlier rounds.
        If None, rounds are run until `max_time`, which must then be given, or until no new
        candidates come: lists are used up, or distributions of few values have given the
        same ones many times over. A time limit may divide a round into several smaller ones.
    promotion : {"bracket", "level"}, default="level"
        Candidates that compete with each other for promotion.

        - ``"bracket"``: the candidates of each bracket compete among themselves, as
          published.
        - ``"level"``: the candidates of all brackets at the same level compete for all
          places that the brackets have on their next rungs. A candidate may then move
          to another bracket.
    resource : str, default="auto"
        Resource that increases from rung to rung.

        - ``"n_samples"`` is the number of samples.
        - The name of a parameter of `estimator` that takes positive integers, such as
          ``"n_estimators"`` or ``"clf__max_iter"``, is this parameter. It must not be in
          `param_distributions`. Choose a parameter if it determines how long a fit takes.
        - ``"auto"`` is the number of trees or iterations of `estimator`, or of the last
          step of a pipeline, if its training can be continued with a result that is
          identical to that of a fit from scratch, if `max_resources` can be determined,
          and if the number is not searched over. Otherwise, it is ``"n_samples"``. The
          method `plan` and the attribute `resource_` show the choice.
    max_resources : int or "auto", default="auto"
        Amount of the resource on the last rung. ``"auto"`` is the number of samples in
        `X` if the resource is ``"n_samples"``, and otherwise the value that the
        parameter has in `estimator`. Give an int if that value is None, or to train the
        final candidates longer.
    min_resources : int, "auto", "smallest" or "exhaust", default="auto"
        Lower bound of the amount of the resource on all rungs. The amounts themselves
        follow from `max_resources`, `factor` and the numbers of splits, so that the lowest rung
        usually has somewhat more than this bound.

        - An int is the bound itself. Give one if you know that smaller amounts do not
          tell good candidates from bad ones.
        - ``"auto"`` is ``max_resources / factor``. If the resource is ``"n_samples"``, it is
          at least 5 for each class if `estimator` is a classifier, and at least 10
          otherwise.
        - ``"smallest"`` is 1 for a parameter. For ``"n_samples"`` it is twice the number
          of splits, multiplied by the number of classes if `estimator` is a classifier.
        - ``"exhaust"`` is the same as ``"auto"``. It is accepted because scikit-learn's
          halving searches have it.
    min_splits : int, "auto" or None, default="auto"
        Number of cross-validation splits on the lowest rungs. The resource grows first
        and the number of splits last: a rung uses more than `min_splits` splits only if
        its resource is `max_resources`.

        - An int is this number. A small number makes low rungs cheaper and their scores
          noisier.
        - ``"auto"`` is the smallest number of splits whose test sets hold about 50 samples
          together. It is 1 unless the dataset is small, and at most the number of splits.
        - None is the number of all splits, so that every rung uses all of them.
    max_time : float or datetime.timedelta, default=None
        Time limit of the search without the refit; a float is a number of seconds. The
        search makes the best of this time. It first evaluates `estimator` as it is
        given on one split, with the largest and the smallest amount of the resource, to
        find out how long that takes; further worker processes evaluate it on further
        splits. A round that is expected to fit into the time is run as without a limit.
        Otherwise its candidates come in a few smaller rounds, which the column
        ``repeat`` of `cv_results_` numbers: the first takes about a third of the time,
        or nine tenths of it if `sampler` does not learn from scores, and the next ones
        take what is left. Each round has new candidates, and its best ones are evaluated with
        `max_resources`. If the first round does not fit,
        `estimator` as it is given is a further candidate of it, since with little time
        all others may be worse. If a level takes longer than expected, fewer candidates
        are promoted.

        No evaluation is started after `max_time`, but for the first one with
        `max_resources`, which is made in any case. The evaluations that are running are
        completed, however long they take. If the last level is incomplete, its candidates are compared on the
        splits that all of them have finished; if there is no such split, the best
        candidate is chosen from the levels before. The best candidate is refitted with
        `max_resources` in any case; a warning says if no candidate was evaluated with
        that. If there was no time for any candidate, the result is `estimator` as it is
        given.
    max_fit_time : float or datetime.timedelta, default=None
        Time limit of a single evaluation, which is the fit of one candidate on one split,
        with its scores; a float is a number of seconds. An evaluation that takes longer is
        ended, and fails: its score is `error_score`. This protects the search from
        candidates whose fit takes very long or never ends. The evaluations then have
        worker processes of their own, even with one worker, and a fit that ends its
        process, for example by a segmentation fault, costs only its candidate. The refit
        has no limit. With joblib's backend ``"threading"`` and several workers it is an
        error, since a thread cannot be ended.
    continue_training : "auto", bool or callable, default="auto"
        Whether the estimators of promoted candidates continue their training from the
        previous rung instead of being fitted from scratch.

        - ``"auto"`` continues the training if the result is known to be identical to
          that of a fit from scratch, bit by bit.
        - ``True`` also continues it if the result is only similar, for example with
          `partial_fit`, or with boosting on random subsets of the samples. Use it for
          estimators that are expensive to fit, such as neural networks.
        - ``False`` always fits from scratch.
        - A callable continues the training of estimators for which this package cannot
          do it. ``continue_training(fitted, n_resources, X, y, **fit_params)`` receives
          the estimator from the previous rung, the total amount of the resource that it
          should have, and the training data of the new rung. It returns the fitted
          estimator. `y` is not passed if there is none.
    n_jobs : int, default=None
        Number of evaluations that run at the same time. An evaluation is the fit of one
        candidate on one split, with its scores. None means 1 unless in a
        ``joblib.parallel_config`` context. -1 means all processors. With joblib's backends
        ``"dask"`` and ``"ray"``, None and -1 mean all of the cluster.
    pre_dispatch : int or str, default="2*n_jobs"
        Number of evaluations that are handed to the workers in advance: an int, an
        expression such as ``"2*n_jobs"``, or ``"all"``. A lower number saves memory.
    journal : str or os.PathLike, default=None
        Path of a SQLite file that stores every finished evaluation. It is created if
        it does not exist. A later search with the same data and the same class of
        estimator reads from this file what it would otherwise compute again. Use it to
        resume a search that was interrupted, or to extend a search by more candidates
        or other amounts of the resource. `read_journal` returns its content.
    random_state : int, RandomState instance or None, default=None
        Controls how candidates are drawn, in which order training samples are added and
        in which order splits are used. Pass an int for reproducible results.
    refit : bool, str or callable, default=True
        Whether to fit an estimator with the best parameters on the whole dataset. It is
        then available as `best_estimator_`, and the search has its methods, such as
        `predict`.

        With several metrics, a str is the name of the metric by which the best
        candidate is chosen. A callable chooses it in any other way: it receives the
        rows of `cv_results_` at the highest level that was reached (see Notes), or, if
        nothing has a score there, at the highest one with a score, and returns the index
        of one of them.
    error_score : float or "raise", default=np.nan
        Value of the score if an error occurs in fitting or scoring. If ``"raise"``, the
        error is raised. If a number, a warning at the end of the search shows the
        errors. Candidates with a score of NaN rank last.
    return_train_score : bool, default=False
        Whether `cv_results_` includes the scores on the training sets. They show how
        much candidates overfit, and take time to compute.
    verbose : int, default=0
        Controls the verbosity. If it is 1, a line is printed after each level, with the
        time since the start and an estimate of the time that remains. If it is 2 or more,
        a line is printed after each evaluation as well.

    Attributes
    ----------
    best_estimator_ : estimator
        Estimator with the parameters `best_params_`, fitted on the whole dataset. Not
        available if ``refit=False``, or if the search was interrupted, until
        `refit_best` is called.
    best_score_ : float
        Mean cross-validated score of the best candidate. With several metrics, it is the
        score by the metric that `refit` names, or otherwise by the one that decided
        which candidates were promoted.
    best_params_ : dict
        Parameters of the best candidate. If the resource is a parameter of the
        estimator, they include it with the value `max_resources_`, even if no
        candidate was evaluated with that. If the best candidate failed with more
        resources than those of its score, it is the value that it was evaluated with.
    best_index_ : int
        Row of `cv_results_` that holds the best candidate.
    refit_time_ : float
        Time in seconds for fitting the best estimator on the whole dataset. Available
        if `best_estimator_` is.
    cv_results_ : dict of str to ndarray of shape (n_rows,)
        Results of the search, with a row for each candidate on each rung. It can be
        converted into a `pandas.DataFrame`. It has the columns that the `cv_results_` of
        `GridSearchCV` has, and the following ones:

        - ``repeat``, ``bracket`` and ``iter``: the rung, as in `Plan`;
        - ``candidate_id``: a number that identifies the candidate on all of its rungs;
        - ``n_resources`` and ``n_splits``: the amount of the resource and the number of
          splits with which the candidate was evaluated;
        - ``n_resources_trained``: the mean amount of the resource that had to be
          trained for each split. It is smaller than ``n_resources`` if training was
          continued or if some splits had been evaluated before. Multiplied by
          ``n_splits`` and summed over all rows, it is the cost of the search.

        The dictionaries in ``params`` include the resource if it is a parameter of the
        estimator. The scores of splits that a rung did not use are NaN.
        ``rank_test_*`` ranks candidates of higher levels before those of lower levels,
        and by their scores within a level.
    rungs_ : RungTable
        Summary of the results of each rung, with advice for a further search.
    stop_reason_ : {"completed", "space_exhausted", "max_time", "callback", "interrupted"}
        Reason why the search ended: all rungs were evaluated, the sampler had no
        further candidates, the time limit was reached, a callback asked for the end, or
        an exception such as `KeyboardInterrupt` was raised.
    n_replayed_ : int
        Number of evaluations whose results were read from the `journal`.
    plan_ : Plan
        Schedule that was executed. It differs from the one that `plan` returns if the
        search ended early or had several rounds because of `max_time`.
    resource_ : str
        Name of the resource.
    min_resources_ : int
        Lower bound of the amount of the resource.
    max_resources_ : int
        Amount of the resource on the last rung.
    n_candidates_ : list of int
        Number of candidates at each level.
    n_resources_ : list of int
        Amount of the resource at each level.
    n_iterations_ : int
        Number of levels that were evaluated.
    n_remaining_candidates_ : int
        Number of candidates that one more halving would leave.
    n_splits_ : int
        Number of cross-validation splits.
    scorer_ : callable or dict of str to callable
        Scorer that evaluated the candidates; a dictionary for several metrics.
    multimetric_ : bool
        Whether there were several metrics.
    classes_ : ndarray of shape (n_classes,)
        Class labels. Available if `best_estimator_` has them.
    n_features_in_ : int
        Number of features seen during `fit`. Available if `best_estimator_` has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Available if `best_estimator_` has them.

    See Also
    --------
    SuccessiveHalvingSearchCV : Runs one bracket. It is faster if low rungs are known to
        rank candidates well, and can search over a whole grid.
    sklearn.model_selection.HalvingRandomSearchCV : Successive halving in scikit-learn.
    sklearn.model_selection.RandomizedSearchCV : Evaluates all candidates in full.

    Notes
    -----
    A level consists of all rungs of a round that have the same amount of the resource and
    the same number of splits. Scores can be compared only if both are the same, in
    whichever round. The best candidate is therefore chosen among those of all rounds that
    were evaluated with the most of both, which is `max_resources` and all splits unless
    the search ended early.

    The number in the column ``bracket`` is the letter s of the publication: the number
    of halvings between the first rung of the bracket and `max_resources`.

    The defaults differ from the publication: they find as good a candidate in less time.
    Hyperband as published is ``min_splits=None, n_brackets="all",
    min_resources="smallest", n_repeats=1, promotion="bracket", sampler="random"``.

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
    ...     max_resources=20, random_state=0,
    ... )
    >>> print(search.plan(X, y))
    repeat  bracket  iter  n_candidates  n_resources  n_splits
         0        1     0             9           16         2
         0        1     1             3           20         5
         1        1     0             9           16         2
         1        1     1             3           20         5
         2        1     0             9           16         2
         2        1     1             3           20         5
    27 candidates for n_estimators, factor 3, 5 splits. Cost in units of the resource (1 = one split with max_resources): 88.2 fresh, 73.8 continued; random search over the same candidates: 135.
    >>> search.fit(X, y).predict([[5.1, 3.5, 1.4, 0.2]])
    array([0])
    """

    n_candidates: int | Literal["auto"]

    @explaining_other_names
    def __init__(
        self,
        estimator: Any,
        param_distributions: ParamDistributions,
        *,
        sampler: SamplerName | Sampler | OptunaSampler = "model",
        initial_candidates: InitialCandidates = None,
        scoring: Scoring = None,
        rank_by: str | None = None,
        cv: CrossValidation = 5,
        n_candidates: int | Literal["auto"] = "auto",
        factor: float = 3,
        n_brackets: int | Literal["auto", "all"] = "auto",
        n_repeats: int | None = 3,
        promotion: Promotion = "level",
        resource: str = "auto",
        max_resources: int | Literal["auto"] = "auto",
        min_resources: MinResources = "auto",
        min_splits: MinSplits = "auto",
        max_time: MaxTime = None,
        max_fit_time: MaxTime = None,
        continue_training: ContinueTraining = "auto",
        n_jobs: int | None = None,
        pre_dispatch: int | str = "2*n_jobs",
        journal: JournalPath = None,
        random_state: RandomState = None,
        refit: Refit = True,
        error_score: ErrorScore = np.nan,
        return_train_score: bool = False,
        verbose: int = 0,
    ):
        super().__init__(
            estimator,
            param_distributions,
            sampler=sampler,
            initial_candidates=initial_candidates,
            scoring=scoring,
            rank_by=rank_by,
            cv=cv,
            n_candidates=n_candidates,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            min_splits=min_splits,
            max_time=max_time,
            max_fit_time=max_fit_time,
            continue_training=continue_training,
            n_jobs=n_jobs,
            pre_dispatch=pre_dispatch,
            journal=journal,
            random_state=random_state,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            verbose=verbose,
        )
        self.n_brackets = n_brackets
        self.n_repeats = n_repeats
        self.promotion = promotion

    _n_candidates_words = ("auto",)

    def _brackets(
        self, ladder: Sequence[LevelSize], factor: Fraction, available: int | None
    ) -> list[Bracket]:
        if self.n_candidates == "auto":
            n_candidates = max(_FEWEST_CANDIDATES, floor(factor ** (len(ladder) - 1)))
        else:
            n_candidates = int(self.n_candidates)
        if self.n_brackets == "all":
            n_brackets = None
        elif self.n_brackets == "auto":
            n_brackets = max(1, len(ladder) - 1)
        else:
            n_brackets = self.n_brackets
        return [
            bracket
            for repeat in range(self.n_repeats or 1)
            for bracket in hyperband(
                n_candidates, ladder, factor, n_brackets=n_brackets, repeat=repeat
            )
        ]

    def _bracket_rules(self) -> BracketRules:
        return BracketRules(self.promotion, repeats_forever=self.n_repeats is None)

    def _schedule_attributes(self, plan: Plan) -> dict[str, Any]:
        levels = plan.levels
        return {
            "n_candidates_": [sum(rung.n_candidates for rung in level.rungs) for level in levels],
            "n_resources_": [level.n_resources for level in levels],
        }
