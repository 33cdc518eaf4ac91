"""What a search prints while it runs."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.stats import uniform
from sklearn.svm import SVC

from skhyperband import HyperbandSearchCV, SuccessiveHalvingSearchCV
from skhyperband._plan import Plan
from skhyperband._progress import ProgressPrinter, RemainingTime, _value_text, duration_text
from skhyperband._records import Outcome, RungEntry, Task
from skhyperband._schedule import exact_factor, hyperband, resource_ladder, successive_halving
from tests.estimators import Failing, Scored
from tests.levels import level_of
from tests.published import published

QUALITY = {"quality": uniform(0, 1)}


def searching(search_class=SuccessiveHalvingSearchCV, estimator=None, **options):
    options = {"cv": 3, "max_resources": 9, "resource": "n_units", "random_state": 0, **options}
    return published(search_class, estimator or Scored(), QUALITY, **options)


def plan_of(n_splits=1, brackets=None, R=9):
    exact = exact_factor(3)
    ladder = resource_ladder(R, exact, 1, n_splits, None)
    brackets = brackets or (successive_halving(9, ladder, exact),)
    return Plan(tuple(brackets), exact, "n_units", 1, R, n_splits, tuple(ladder))


class Clock:
    """A time that is moved by hand."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def printed(capsys):
    return capsys.readouterr().out.splitlines()


# --- lines -------------------------------------------------------------------------


@pytest.mark.parametrize("verbose", [1, True])
def test_columns_are_aligned(classification, search_class, capsys, verbose):
    """Each line ends where its headings end, with a line for each level."""
    search = searching(search_class, verbose=verbose).fit(*classification)

    lines = printed(capsys)
    assert len(lines) == 1 + search.n_iterations_
    assert len({len(line) for line in lines}) == 1
    ends = [
        i for i, c in enumerate(lines[0]) if c != " " and lines[0][i + 1 : i + 3] in ("  ", "")
    ]
    for line, end in itertools.product(lines, ends):
        assert line[end] != " "


def test_the_best_score_of_a_level_is_printed(classification, capsys):
    """The score in a line is the best mean score on the level."""
    search = searching(verbose=1).fit(*classification)

    results = search.cv_results_
    best = [
        results["mean_test_score"][results["n_resources"] == n].max() for n in search.n_resources_
    ]
    lines = printed(capsys)[1:]
    assert all(f" {score:.4f} " in line for score, line in zip(best, lines, strict=True))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_failures_are_counted(classification, capsys):
    """The number of failed evaluations is a column."""
    search = searching(estimator=Failing(), n_candidates=9, verbose=1).fit(*classification)

    n_failed = np.isnan(search.cv_results_["mean_test_score"][:9]).sum() * 3
    headings, first, *_ = printed(capsys)
    assert n_failed > 0
    assert first[: headings.index("failed") + 6].split()[-1] == str(n_failed)


def test_a_line_for_each_evaluation(classification, capsys):
    """With `verbose=2` each evaluation has a line with its candidate, split, score and time."""
    search = searching(n_candidates=3, min_resources=3, verbose=2).fit(*classification)

    lines = [line for line in printed(capsys) if line.startswith("    candidate")]
    assert len(lines) == search.cv_results_["n_splits"].sum()
    quality = search.cv_results_["params"][0]["quality"]
    score = search.cv_results_["split1_test_score"][0]
    [line] = [x for x in lines if "candidate    0  n_units 3  split 1" in x]
    assert f"{score:.4f}" in line
    assert f"quality={quality:.4g}" in line
    assert len({line.index("quality=") for line in lines}) == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_failed_evaluation_says_so(classification, capsys):
    """In place of the score."""
    search = searching(estimator=Failing(), n_candidates=9, verbose=2).fit(*classification)

    failed = [line for line in printed(capsys) if " failed  " in line and "candidate  " in line]
    assert len(failed) == np.isnan(search.cv_results_["mean_test_score"][:9]).sum() * 3


def test_several_metrics_are_named(classification, capsys):
    """A line of an evaluation has each metric with its name."""
    searching(
        estimator=SVC(),
        resource="n_samples",
        max_resources="auto",
        n_candidates=3,
        scoring=["accuracy", "f1"],
        refit="f1",
        verbose=2,
    ).set_params(param_distributions={"C": uniform(1, 10)}).fit(*classification)

    lines = [line for line in printed(capsys) if line.startswith("    candidate")]
    assert lines
    assert all("accuracy=0." in line and "f1=" in line for line in lines)


def test_a_level_that_was_cut_short_says_so(classification, capsys):
    """What time did not suffice for is marked."""
    printer = ProgressPrinter(plan_of(n_splits=2), 1)
    plan = plan_of(n_splits=2)

    search_through(printer, plan, n_levels=1, complete=False)

    assert printed(capsys)[-1].endswith("not all evaluated")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345678, "x=0.1235"),
        (1e-7, "x=1e-07"),
        (3, "x=3"),
        ("rbf", "x='rbf'"),
        (None, "x=None"),
        (
            SVC(C=2, gamma="auto", kernel="poly", degree=7),
            "x=SVC(C=2, degree=7, gamma='auto', kern...",
        ),
    ],
)
def test_values_are_short(capsys, value, text):
    """A number has four digits, and a long value loses its end."""
    plan = plan_of()
    printer = ProgressPrinter(plan, 1, prints_evaluations=True)

    search_through(printer, plan, n_levels=1, candidate={"x": value})

    line = next(line for line in printed(capsys) if "candidate  " in line)
    assert line.endswith(text)


# --- time --------------------------------------------------------------------------


def search_through(
    printer, plan, *, n_levels, seconds=1.0, clock=None, complete=True, candidate=None
):
    """Tell a printer of the first levels of a plan; each evaluation takes its time."""
    printer.search_begin(len(plan.levels))
    for level in plan.levels[:n_levels]:
        entries = [RungEntry(r, i) for r in level.rungs for i in range(r.n_candidates)]
        n_evaluations = len(entries) * level.n_splits
        printer.level_begin(level, entries, n_evaluations)
        for entry in entries:
            for split in range(level.n_splits):
                task = Task(candidate or {}, level.n_resources, split)
                printer.evaluation_begin(entry, task)
                if clock is not None:
                    clock.now += seconds * level.n_resources
                outcome = Outcome(0.5, None, seconds * level.n_resources, 0.0, None)
                printer.evaluation_end(entry, task, outcome)
        printer.level_end(level, result_of(level, entries, complete), 1.0)


def result_of(level, entries, complete):
    result = level_of({i: [0.5] for i in range(len(entries))}, n_resources=level.n_resources)
    return dataclasses.replace(result, complete=complete)


def test_elapsed_and_remaining_time(capsys):
    """What is left is estimated from what was measured, in proportion to the resource."""
    clock, plan = Clock(), plan_of()
    printer = ProgressPrinter(plan, 1, clock=clock)

    search_through(printer, plan, n_levels=3, clock=clock)

    # 9 candidates with 1, 3 with 3, 1 with 9: each level takes 9 seconds.
    cells = [line.split() for line in printed(capsys)[1:]]
    assert [line[-4:] for line in cells] == [
        ["9.0", "s", "18.0", "s"],
        ["18.0", "s", "9.0", "s"],
        ["27.0", "s", "0.0", "s"],
    ]


def test_workers_share_the_remaining_time(capsys):
    """With three workers that are busy all the time, a third of it is left."""
    clock, plan = Clock(), plan_of(brackets=hyperband(None, *ladder()))
    remaining = RemainingTime(plan, 3)
    for _ in range(9):
        clock.now += 1 / 3
        remaining.note(1, 1.0, clock.now)
    one = RemainingTime(plan, 1)
    for _ in range(9):
        one.note(1, 1.0, 0.0)

    shared = remaining.after(plan.levels[0], n_left=0, now=clock.now)

    assert shared < one.after(plan.levels[0], n_left=0, now=0.0)


def ladder():
    exact = exact_factor(3)
    return resource_ladder(9, exact, 1, 1, None), exact


def test_measured_amounts_count_more_than_proportions():
    """Once an amount was measured, its own time is used."""
    plan = plan_of(brackets=[b for i in range(2) for b in hyperband(None, *ladder(), repeat=i)])
    remaining = RemainingTime(plan, 1)
    for n_resources in (1, 3, 9):
        remaining.note(n_resources, 1.0, 10.0)
    last = plan.levels[-2]

    n_last = sum(rung.n_candidates for rung in plan.levels[-1].rungs)

    assert remaining.after(last, n_left=0, now=10.0) <= n_last * 1.0 * 10 / 3 + 1e-9
    assert remaining.after(last, n_left=2, now=10.0) > remaining.after(last, n_left=0, now=10.0)


def test_the_time_limit_bounds_what_remains(capsys):
    """A search with a time limit has at most what is left of it."""
    clock, plan = Clock(), plan_of()
    printer = ProgressPrinter(plan, 1, clock=clock, deadline=clock.now + 12)

    search_through(printer, plan, n_levels=1, clock=clock)

    assert printed(capsys)[-1].split()[-2:] == ["3.0", "s"]


def test_nothing_is_said_of_what_is_unknown(capsys):
    """A search that is repeated without end has no remaining time."""
    plan = plan_of()
    printer = ProgressPrinter(plan, 1)
    again = plan_of(brackets=[b.in_repeat(5) for b in plan.brackets])

    search_through(printer, again, n_levels=1)

    assert printed(capsys)[-1].split()[-1] == "?"


def test_a_long_level_is_not_silent(capsys):
    """After a minute without a line, the level says how far it has come."""
    clock, plan = Clock(), plan_of()
    printer = ProgressPrinter(plan, 1, clock=clock)

    search_through(printer, plan, n_levels=1, seconds=25.0, clock=clock)

    _, *lines, last = printed(capsys)
    assert [line.split(" evaluations")[0].split("  ")[-1] for line in lines] == [
        "3 of 9",
        "6 of 9",
        "9 of 9",
    ]
    assert "0:01:15 elapsed" in lines[0]
    assert "1/3" in last


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (59.94, "59.9 s"),
        (59.96, "0:01:00"),
        (3599.6, "1:00:00"),
        (100 * 3600, "100:00:00"),
    ],
)
def test_durations(seconds, text):
    """Seconds below a minute, then hours, minutes and seconds."""
    assert duration_text(seconds) == text


def test_no_line_has_other_things_of_a_journal(classification, tmp_path, capsys):
    """The column of the journal is there only with a journal."""
    searching(HyperbandSearchCV, verbose=1).fit(*classification)
    without = printed(capsys)[0]
    searching(HyperbandSearchCV, verbose=1, journal=tmp_path / "j.sqlite").fit(*classification)

    assert "journal" not in without
    assert "from journal" in printed(capsys)[0]


def test_a_search_without_end_lasts_until_its_limit(capsys):
    """With `n_repeats=None` the rounds go on for as long as there is time."""
    clock, plan = Clock(), plan_of()
    printer = ProgressPrinter(plan, 1, clock=clock, deadline=clock.now + 100, repeats_forever=True)

    search_through(printer, plan, n_levels=1, clock=clock)

    assert printed(capsys)[-1].split()[-1] == "0:01:31"


def test_wide_numbers_keep_their_columns(classification, capsys):
    """Splits of two digits, and scores of several metrics beside failures, are aligned."""
    search = searching(
        estimator=SVC(),
        resource="n_samples",
        max_resources="auto",
        n_candidates=2,
        cv=11,
        scoring=["accuracy", "f1"],
        refit="f1",
        verbose=2,
    )

    search.set_params(param_distributions={"C": uniform(1, 10)}).fit(*classification)

    lines = [line for line in printed(capsys) if line.startswith("    candidate")]
    assert len({line.index("accuracy=") for line in lines}) == 1
    assert len({line.index("C=") for line in lines}) == 1


@pytest.mark.parametrize("value", [np.int64(5), np.True_, np.str_("a"), np.float64(0.5)])
def test_values_are_printed_as_those_of_python(value):
    """A candidate from a list of NumPy's numbers reads like any other."""
    assert _value_text(value) == repr(value.item())


def test_small_scores_are_told_from_nothing(classification, capsys):
    """Errors of a small target have their digits, too."""
    search = SuccessiveHalvingSearchCV(
        Scored(),
        {"quality": [0.1, 0.2, 0.3]},
        n_candidates="all",
        resource="n_units",
        max_resources=9,
        cv=2,
        scoring=lambda estimator, X, y: -0.00001234567 * estimator.quality,
        verbose=1,
    )
    search.fit(*classification)

    assert " -1.235e-06 " in capsys.readouterr().out
