import re
import threading
import warnings

import numpy as np
import pytest

from skhyperband._fit_warnings import catching, every_time
from skhyperband._user_warnings import describe_failures

ALWAYS = [("always", None, Warning, None, 0)]


def said(caught):
    """Return what was caught as (category, text) pairs."""
    return [(source.category, text) for source, text in caught.items()]


def everything_about_warnings():
    return list(warnings.filters), warnings.showwarning


def run_threads(n_threads, work):
    """Run `work(number)` in threads at once; raise what one of them raised."""
    errors = []

    def guarded(number):
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


# --- catching ----------------------------------------------------------------------


def test_catching_keeps_category_and_text():
    """A warning becomes data, in the order in which the warnings came."""
    with catching(ALWAYS) as caught:
        warnings.warn("slow", RuntimeWarning, stacklevel=1)
        warnings.warn("old", FutureWarning, stacklevel=1)

    assert said(caught) == [(RuntimeWarning, "slow"), (FutureWarning, "old")]


def test_equal_warnings_are_one():
    """The same category and text from anywhere is one; another of either is not."""
    with catching(ALWAYS) as caught:
        for category in (UserWarning, UserWarning, RuntimeWarning):
            warnings.warn("again", category, stacklevel=1)
        warnings.warn("once", UserWarning, stacklevel=1)

    assert said(caught) == [
        (UserWarning, "again"),
        (RuntimeWarning, "again"),
        (UserWarning, "once"),
    ]


def warn_here():
    warnings.warn("the same line", UserWarning, stacklevel=1)


def test_the_same_line_is_caught_each_time():
    """What one fit warned of does not hide the warning from the next."""
    filters = every_time([("default", None, Warning, None, 0)])
    levels = []
    for _ in range(2):
        with catching(filters) as caught:
            warn_here()
        levels.append(said(caught))

    assert levels == [[(UserWarning, "the same line")]] * 2


def test_nothing_is_shown_while_catching(recwarn):
    """What was caught does not reach the process's own display."""
    with catching(ALWAYS):
        warnings.warn("kept", UserWarning, stacklevel=1)

    assert len(recwarn) == 0


def test_filters_are_restored():
    """The process has its own filters and display again, and shows what comes after."""
    before = everything_about_warnings()

    with catching(ALWAYS):
        pass

    assert everything_about_warnings() == before
    with pytest.warns(UserWarning, match="shown"):
        warnings.warn("shown", UserWarning, stacklevel=1)


def test_filters_are_restored_after_an_error():
    """What is raised inside passes through, and leaves nothing behind."""
    before = everything_about_warnings()

    with pytest.raises(ZeroDivisionError), catching(ALWAYS):
        raise ZeroDivisionError

    assert everything_about_warnings() == before


def test_filters_that_a_fit_sets_are_undone():
    """An estimator that changes the filters changes them for its own fit only."""
    before = everything_about_warnings()

    with catching(ALWAYS):
        warnings.simplefilter("ignore")

    assert everything_about_warnings() == before


def test_an_error_filter_raises_inside():
    """A user who turns warnings into errors has them raised in the fit."""
    filters = every_time([("error", None, RuntimeWarning, None, 0)])

    with catching(filters) as caught:
        warnings.warn("kept", UserWarning, stacklevel=1)
        with pytest.raises(RuntimeWarning, match="refused"):
            warnings.warn("refused", RuntimeWarning, stacklevel=1)

    assert said(caught) == [(UserWarning, "kept")]


def test_an_ignore_filter_stays_silent():
    """What the user ignores is neither shown nor caught, by its text too."""
    quiet = re.compile("quiet", re.IGNORECASE)
    filters = every_time([("ignore", quiet, UserWarning, None, 0)])

    with catching(filters) as caught:
        warnings.warn("quiet please", UserWarning, stacklevel=1)
        warnings.warn("loud", UserWarning, stacklevel=1)

    assert said(caught) == [(UserWarning, "loud")]


def test_a_fit_may_catch_for_itself():
    """What an estimator catches on its own does not arrive here."""
    with catching(ALWAYS) as caught:
        with warnings.catch_warnings(record=True) as own:
            warnings.warn("own", UserWarning, stacklevel=1)
        warnings.warn("ours", UserWarning, stacklevel=1)

    assert [str(w.message) for w in own] == ["own"]
    assert said(caught) == [(UserWarning, "ours")]


def test_catching_nests():
    """A search within a search keeps its own, and the outer one goes on with its own."""
    with catching(ALWAYS) as outer:
        warnings.warn("before", UserWarning, stacklevel=1)
        with catching(ALWAYS) as inner:
            warnings.warn("within", UserWarning, stacklevel=1)
        warnings.warn("after", UserWarning, stacklevel=1)

    assert list(inner.values()) == ["within"]
    assert list(outer.values()) == ["before", "after"]


# --- threads -----------------------------------------------------------------------


def test_each_thread_keeps_its_own():
    """Threads that catch at the same time see none of each other's warnings."""
    n_threads, n_rounds = 6, 20
    barrier = threading.Barrier(n_threads, timeout=30)
    kept = [[] for _ in range(n_threads)]

    def work(number):
        for i in range(n_rounds):
            with catching(ALWAYS) as caught:
                barrier.wait()
                warnings.warn(f"{number} {i}", UserWarning, stacklevel=1)
                barrier.wait()
            kept[number] += caught.values()

    run_threads(n_threads, work)

    assert kept == [[f"{n} {i}" for i in range(n_rounds)] for n in range(n_threads)]


def test_filters_are_restored_by_the_last_thread():
    """Whatever the order in which threads enter and leave, the process gets its own back."""
    before = everything_about_warnings()
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))
    texts = []

    def work(number):
        if number == 0:
            with catching(ALWAYS):
                first_is_in.set()
                second_is_in.wait(30)
            first_is_out.set()
        else:
            first_is_in.wait(30)
            with catching(ALWAYS) as caught:
                second_is_in.set()
                first_is_out.wait(30)
                warnings.warn("still caught", UserWarning, stacklevel=1)
            texts.extend(caught.values())

    run_threads(2, work)

    assert texts == ["still caught"]
    assert everything_about_warnings() == before


def test_other_threads_warn_as_before():
    """A thread that catches nothing has its warnings shown where they were."""
    with pytest.warns(UserWarning, match="from elsewhere") as shown, catching(ALWAYS) as caught:
        run_threads(1, lambda _: warnings.warn("from elsewhere", UserWarning, stacklevel=1))

    assert len(shown) == 1
    assert not caught


# --- filters -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        ("default", "always"),
        ("module", "always"),
        ("once", "always"),
        ("always", "always"),
        ("ignore", "ignore"),
        ("error", "error"),
    ],
)
def test_what_is_shown_once_is_shown_every_time(action, shown):
    """Actions that depend on what was shown before become ones that do not."""
    text = re.compile("x")

    filters = every_time([(action, text, UserWarning, None, 3)])

    assert (shown, text, UserWarning, None, 3) in filters


def test_what_no_filter_names_is_shown():
    """The order of the filters stays, and the last one takes all the rest."""
    filters = every_time(
        [("ignore", None, UserWarning, None, 0), ("error", None, Warning, None, 0)]
    )

    assert [f[0] for f in filters[-3:]] == ["ignore", "error", "always"]
    assert filters[-1][2] is Warning


# --- failures ----------------------------------------------------------------------


def failure(x, message="no", kind="ValueError", line=1):
    frames = f'Traceback (most recent call last):\n  File "a.py", line {line}, in fit'
    return {"x": x}, f"{frames}\n{kind}: {message}\n"


def test_failures_are_counted():
    """The first line says how many of how many, and what their scores are."""
    text = describe_failures([failure(1), failure(2)], 10, 0.5)

    assert text.startswith("2 of 10 evaluations failed; their scores are set to 0.5.")
    assert "error_score='raise'" in text


def test_each_kind_of_failure_is_told_once():
    """An error type at one place is a kind; its first is shown in full, with its number."""
    failures = [failure(1), failure(2, line=2), failure(3), failure(4, kind="TypeError")]

    text = describe_failures(failures, 10, float("nan"))

    first, *kinds = text.split("\n\n")
    assert "nan" in first
    assert kinds == [
        f"{n} times, first with x={params['x']}:\n{traceback.strip()}"
        for n, (params, traceback) in zip((2, 1, 1), [*failures[:2], failures[3]], strict=True)
    ]


def test_failed_values_are_told_apart_from_texts():
    """The string "3" is shown as one, and a number of NumPy as a number."""
    params = {"a": "3", "b": 3, "c": np.float64(0.5), "d": np.str_("x")}

    text = describe_failures([(params, "no")], 1, 0.0)

    assert "first with a='3', b=3, c=0.5, d='x':\nno" in text


@pytest.mark.parametrize(
    "message",
    [
        "x={x} is too large",
        "[12:00:{x}] no\nStack trace:\n  [bt] (0) lib.so(+0x{x}) [0x7f{x}]\n",
        "\nAll the {x} fits failed.\nBelow are more details:\n{x} fits failed",
    ],
)
def test_failures_differing_in_their_message_are_one_kind(message):
    """A message that names what varies does not make the text as long as the search."""
    failures = [failure(x, message=message.format(x=x)) for x in range(50)]

    text = describe_failures(failures, 50, 0.0)

    assert text.count("Traceback") == 1
    assert "50 times, first with x=0:" in text
    assert message.format(x=0).strip() in text
