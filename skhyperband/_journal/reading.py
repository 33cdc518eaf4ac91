"""Reads a journal as a data frame."""

import json
import os
from typing import Any

import numpy as np

from skhyperband._journal.database import read_entries
from skhyperband._journal.entries import Entry
from skhyperband._records import Scores
from skhyperband._tables import to_frame


def read_journal(path: str | os.PathLike[str]) -> Any:
    """Return the evaluations that a journal holds.

    A journal can be read at any time, also while a search writes to it.

    Parameters
    ----------
    path : str or os.PathLike
        Path of the file that was passed to the search as `journal`.

    Returns
    -------
    frame : pandas.DataFrame
        Data frame with a row for each evaluation of a candidate on one split, in the
        order in which the evaluations finished. Its columns are:

        - ``param_*``: the parameters of the candidate, as in `cv_results_`. Values that
          are neither numbers nor strings are given by their `repr`;
        - ``n_resources`` and ``split``: the amount of the resource, and the number of
          the split;
        - ``test_*`` and ``train_*``: the scores. They are missing if the evaluation
          failed. There are no scores on the training sets unless the search computed
          them;
        - ``fit_time`` and ``score_time``: times in seconds;
        - ``n_resources_trained``: the amount of the resource that was trained, which is
          smaller than ``n_resources`` if training was continued;
        - ``failure``: the traceback of an evaluation that failed;
        - ``finished``: the time, in UTC, at which the evaluation finished.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is not a journal.
    ImportError
        If pandas is not installed.

    See Also
    --------
    HyperbandSearchCV : Writes a journal if its parameter `journal` is given.
    SuccessiveHalvingSearchCV : Writes a journal if its parameter `journal` is given.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skhyperband import SuccessiveHalvingSearchCV, read_journal
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "search.sqlite")
    >>> search = SuccessiveHalvingSearchCV(
    ...     DecisionTreeClassifier(random_state=0),
    ...     {"max_depth": [1, 2, 3, 4]},
    ...     n_candidates="all",
    ...     journal=path,
    ...     random_state=0,
    ... )
    >>> search = search.fit(*load_iris(return_X_y=True))
    >>> read_journal(path)[["param_max_depth", "n_resources", "split"]].tail(1)
        param_max_depth  n_resources  split
    12                3          150      4
    >>> search.fit(*load_iris(return_X_y=True)).n_replayed_
    13
    >>> folder.cleanup()
    """
    records = [_record(entry) for entry in read_entries(os.fspath(path))]
    columns = list(dict.fromkeys(name for record in records for name in record))
    columns = columns or list(_record(_EMPTY_ENTRY))
    return to_frame(columns, [[record.get(name) for name in columns] for record in records])


# Gives the columns of a journal that has no rows.
_EMPTY_ENTRY = Entry(
    params="{}",
    n_resources=0,
    split=0,
    test_scores=None,
    train_scores=None,
    fit_time=0.0,
    score_time=0.0,
    n_trained=0,
    failed_step=None,
    failure=None,
    finished=0.0,
)


def _record(entry: Entry) -> dict[str, Any]:
    """Return a row of the data frame, as column name to value."""
    return {
        **{f"param_{name}": value for name, value in json.loads(entry.params).items()},
        "n_resources": entry.n_resources,
        "split": entry.split,
        **_score_columns("test", entry.test_scores),
        **_score_columns("train", entry.train_scores),
        "fit_time": entry.fit_time,
        "score_time": entry.score_time,
        "n_resources_trained": entry.n_trained,
        "failure": entry.failure,
        "finished": np.datetime64(round(entry.finished * 1e6), "us"),
    }


def _score_columns(part: str, scores: Scores) -> dict[str, float | None]:
    if scores is None:
        return {}
    if isinstance(scores, dict):
        return {f"{part}_{name}": score for name, score in scores.items()}
    return {f"{part}_score": scores}
