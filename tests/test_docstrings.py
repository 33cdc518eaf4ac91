"""What the public docstrings hold: the rules of numpydoc, and no difference without a reason."""

import dataclasses
import functools
import inspect

import pytest

import skhyperband

pytest.importorskip("numpydoc", reason="the oldest dependencies are installed without numpydoc")
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import ERROR_MSGS, validate

SEARCHES = (skhyperband.HyperbandSearchCV, skhyperband.SuccessiveHalvingSearchCV)

# Rules of numpydoc that no public object has to follow.
IGNORED = {
    "ES01",  # One sentence may say all; an extended summary would only repeat it.
    "RT02",  # A returned value has a name, as in scikit-learn's documentation.
}
# Methods and properties: the example of the class shows them, and they are found there.
IGNORED_OF_MEMBERS = {"EX01", "SA01"}
# Functions, and classes that users are handed: not all of them have a relative.
IGNORED_OF_OTHERS = {"SA01"}
# Records, which users are handed and never make: their fields stand under "Attributes", and the
# example of what returns them may show them.
IGNORED_OF_RECORDS = {"PR01", "EX01"}

# Shared parameters whose documentation says other things in the two searches, and why.
DIFFERENT = {
    "param_distributions": "only one of them can try a whole grid",
    "n_candidates": "the size of the only bracket, or of the widest",
    "initial_candidates": "they are counted in the only bracket, or in the widest",
}


def is_ours(value):
    """Return whether a class or function is defined in this package."""
    return value.__module__.partition(".")[0] == skhyperband.__name__


def members(cls):
    """Yield the names of public methods and properties that the package itself defines."""
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        elif isinstance(value, property):
            value = value.fget
        elif isinstance(value, functools.cached_property):
            value = value.func
        if not name.startswith("_") and inspect.isfunction(value) and is_ours(value):
            yield name


def documented():
    """Yield each public object's name, and the rules that it does not have to follow."""
    for name in skhyperband.__all__:
        value = getattr(skhyperband, name)
        ignored = IGNORED if value in SEARCHES else IGNORED | IGNORED_OF_OTHERS
        if dataclasses.is_dataclass(value):
            ignored = ignored | IGNORED_OF_RECORDS
        yield pytest.param(f"skhyperband.{name}", ignored, id=name)
        if inspect.isclass(value):
            for member in members(value):
                full = f"{name}.{member}"
                yield pytest.param(f"skhyperband.{full}", IGNORED | IGNORED_OF_MEMBERS, id=full)


def section(cls, title):
    """Return a section of a class's docstring: name to type and text, wherever its lines end."""
    entries = NumpyDocString(inspect.getdoc(cls))[title]
    return {
        name: (entry.type, " ".join(entry.desc))
        for entry in entries
        for name in entry.name.split(", ")
    }


def constructor(cls):
    """Return the names of a class's parameters."""
    return set(inspect.signature(cls).parameters)


DOCUMENTED = list(documented())


@pytest.mark.parametrize(("name", "ignored"), DOCUMENTED)
def test_docstrings_follow_numpydoc(name, ignored):
    """A public object's docstring has the sections, order and marks that numpydoc asks for."""
    errors = [f"{code}: {text}" for code, text in validate(name)["errors"] if code not in ignored]

    assert not errors


def test_what_is_validated():
    """The walk over the public objects finds functions, classes, methods and properties."""
    names = {case.id for case in DOCUMENTED}

    assert names >= {
        *skhyperband.__all__,
        *(f"{cls.__name__}.{name}" for cls in SEARCHES for name in ("fit", "plan", "score")),
        "Plan.cost",
        "Plan.n_candidates",
    }


def test_what_is_ignored_is_a_rule():
    """Every code that is ignored is one of numpydoc's."""
    ignored = IGNORED | IGNORED_OF_MEMBERS | IGNORED_OF_OTHERS | IGNORED_OF_RECORDS

    assert ignored <= ERROR_MSGS.keys()


@pytest.mark.parametrize(
    "record",
    [cls for cls in vars(skhyperband).values() if dataclasses.is_dataclass(cls)],
    ids=lambda record: record.__name__,
)
def test_the_fields_of_records_are_documented(record):
    """What a record holds is all under "Attributes", and nothing else is."""
    fields = {field.name for field in dataclasses.fields(record)}

    assert section(record, "Attributes").keys() == fields


@pytest.mark.parametrize(
    "name", sorted(set.intersection(*map(constructor, SEARCHES)) - DIFFERENT.keys())
)
def test_shared_parameters_are_documented_alike(name):
    """A parameter that means the same in both searches is described in the same words."""
    one, other = (section(cls, "Parameters")[name] for cls in SEARCHES)

    assert one == other


@pytest.mark.parametrize("name", DIFFERENT)
def test_parameters_that_differ_are_documented_differently(name):
    """A parameter that is listed as different is described in other words by each search."""
    one, other = (section(cls, "Parameters")[name] for cls in SEARCHES)

    assert one != other
