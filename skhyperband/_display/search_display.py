"""The pictures of a search, in the manner of scikit-learn's displays."""

from collections.abc import Sequence
from typing import Any, Literal, Self, get_args

import numpy as np

from skhyperband._display.drawing import import_pyplot
from skhyperband._display.importances import Importances, draw_importances, importances
from skhyperband._display.incumbent import SPENT, Incumbent, Spent, draw_incumbent, incumbent
from skhyperband._display.measurements import Measurements, read_measurements
from skhyperband._display.parameter_panels import draw_parameter_scores, make_panels
from skhyperband._display.parameters import ParameterScores, parameter_names, parameter_scores
from skhyperband._display.rungs import RungScores, draw_rung_scores, rung_scores

Kind = Literal["rungs", "incumbent", "parameters", "importances"]
DisplayData = RungScores | Incumbent | ParameterScores | Importances


class SearchDisplay:
    """Pictures of a fitted search.

    Use `from_estimator` to make one. It draws one of four pictures:

    - ``"rungs"``: the score of each candidate on each of its rungs, with a line for each
      candidate that was promoted. It shows how the brackets compare, and whether the candidates
      that were best with little of the resource remained so.
    - ``"incumbent"``: the best score so far, over the time or the resource that the search had
      spent. It shows whether more rounds or more time would have been worth it.
    - ``"parameters"``: the score of each candidate against each of its parameters. It shows which
      values are good, and whether the best ones lie at the edge of the space.
    - ``"importances"``: how much of the variance of the scores each parameter explains. It shows
      which parameters are worth searching over.

    Parameters
    ----------
    data : RungScores, Incumbent, ParameterScores or Importances
        What the picture shows, as plain numbers; `from_estimator` computes it. The type says
        which picture is drawn.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture. For ``"parameters"``, the axes of the first parameter.
    axes_ : ndarray of matplotlib Axes
        All axes of the picture. For ``"parameters"``, they have the order of the parameters;
        otherwise there is one.
    figure_ : matplotlib Figure
        Figure with the picture.

    See Also
    --------
    HyperbandSearchCV : Search over hyperparameters with Hyperband.
    SuccessiveHalvingSearchCV : Search over hyperparameters by successive halving.

    Notes
    -----
    The pictures need matplotlib: ``pip install 'skhyperband[plot]'``. Their colours can be told
    apart with any kind of colour vision, and markers or lines differ as well.

    What failed is drawn as a cross at the lower edge, and what is far below the other scores as a
    triangle.

    The ``"importances"`` are total effects: for random candidates of the space, a forest of
    extremely randomized trees predicts by how much the score changes if one parameter is
    drawn anew. The scores of all levels are first put on one scale, as for the samplers that
    learn. The shares are multiplied by the share of the variance that the forest
    predicts for candidates that its trees have not seen; the rest is drawn as not explained.
    It is large if there are few candidates, or if the scores differ by chance. What two parameters
    explain only together counts for both, so that the shares may add up to more than
    1. Parameters whose distributions have no quantiles have a share of 0.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from skhyperband import SearchDisplay, SuccessiveHalvingSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = SuccessiveHalvingSearchCV(SVC(), {"C": loguniform(0.01, 100)}, random_state=0)
    >>> display = SearchDisplay.from_estimator(search.fit(X, y), kind="rungs")
    >>> display.ax_.get_xlabel()
    'n_samples, number of splits'
    """

    ax_: Any
    axes_: np.ndarray
    figure_: Any

    def __init__(self, data: DisplayData):
        self.data = data

    def plot(self, ax: Any = None) -> Self:
        """Draw the picture.

        Parameters
        ----------
        ax : matplotlib Axes or array of Axes, default=None
            Axes to draw on. If None, a new figure is made. For ``"parameters"``, give one for
            each parameter, or a single one, which is divided; that should have about 3 by 2.4
            inches for each parameter.

        Returns
        -------
        display : SearchDisplay
            The object itself, with the axes and the figure as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the number of axes does not fit the picture.
        """
        pyplot = import_pyplot()
        if isinstance(self.data, ParameterScores):
            self.axes_ = make_panels(self.data, ax, pyplot)
            draw_parameter_scores(self.data, ax, self.axes_)
        else:
            if ax is None:
                _, ax = pyplot.subplots(layout="constrained")
            self.axes_ = np.array(ax, dtype=object).ravel()
            if len(self.axes_) != 1:
                raise ValueError(f"ax has {len(self.axes_)} axes; give one.")
            self._draw_on(self.axes_[0])
        self.ax_ = self.axes_[0]
        self.figure_ = self.ax_.figure
        return self

    def _draw_on(self, ax: Any) -> None:
        match self.data:
            case RungScores():
                draw_rung_scores(self.data, ax)
            case Incumbent():
                draw_incumbent(self.data, ax)
            case Importances():
                draw_importances(self.data, ax)

    @classmethod
    def from_estimator(
        cls,
        search: Any,
        *,
        kind: Kind = "rungs",
        metric: str | None = None,
        over: Spent | None = None,
        parameters: Sequence[str] | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw a picture of a fitted search.

        Parameters
        ----------
        search : HyperbandSearchCV or SuccessiveHalvingSearchCV
            Fitted search. A search that was interrupted, or that has ``refit=False``, can be
            drawn, too.
        kind : {"rungs", "incumbent", "parameters", "importances"}, default="rungs"
            Which picture is drawn.
        metric : str, default=None
            Name of the metric, if the search has several. If None, it is the metric of
            `best_score_`.
        over : {"time", "resource"}, default=None
            What is spent in the picture of the incumbent. ``"time"`` is the time for fitting
            and scoring, summed over all workers; the evaluations from a journal count with the
            time that they took when they were made. ``"resource"`` is the amount of the resource
            that was trained. None is ``"time"``. Only for ``kind="incumbent"``.
        parameters : sequence of str, default=None
            Names of the parameters that are shown. If None, all parameters of the search are.
            Only for ``kind="parameters"`` and ``kind="importances"``.
        ax : matplotlib Axes or array of Axes, default=None
            Axes to draw on, as in `plot`.

        Returns
        -------
        display : SearchDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        sklearn.exceptions.NotFittedError
            If the search has not measured anything.
        ValueError
            If `kind`, `metric`, `over` or `parameters` has an invalid value, or does not belong
            to the picture, or if the number of axes does not fit it.
        TypeError
            If `search` is not one of the searches of this package.
        """
        import_pyplot()
        _check_choices(kind, over, parameters)
        measured = read_measurements(search, metric)
        return cls(_data_of(kind, measured, over, parameters)).plot(ax)


def _check_choices(kind: str, over: str | None, parameters: Sequence[str] | None) -> None:
    if kind not in get_args(Kind):
        raise ValueError(f"kind={kind!r} is none of {list(get_args(Kind))}; give one of them.")
    if over is not None:
        if over not in SPENT:
            raise ValueError(f"over={over!r} is none of {list(SPENT)}; give one of them.")
        if kind != "incumbent":
            raise ValueError(
                f"over={over!r} has no meaning for kind={kind!r}, which has no axis of what was "
                "spent; leave it out, or give kind='incumbent'."
            )
    if parameters is not None:
        if kind not in ("parameters", "importances"):
            raise ValueError(
                f"parameters={parameters!r} has no meaning for kind={kind!r}, which shows none; "
                "leave it out, or give kind='parameters' or kind='importances'."
            )
        if isinstance(parameters, str) or not len(parameters):
            raise ValueError(f"parameters={parameters!r} must be a list of at least one name.")


def _data_of(
    kind: str, measured: Measurements, over: Spent | None, parameters: Sequence[str] | None
) -> DisplayData:
    if kind == "rungs":
        return rung_scores(measured)
    if kind == "incumbent":
        return incumbent(measured, over or "time")
    names = parameter_names(measured, parameters)
    if kind == "parameters":
        return parameter_scores(measured, names)
    return importances(measured, names)
