"""Public docstrings follow the rules of numpydoc, and differ between the searches only on purpose."""

import dataclasses
import functools
import inspect
from typing import Protocol

import pytest

import skhyperband
import skhyperband.testing
from skhyperband._display.importances import Importances
from skhyperband._display.incumbent import Incumbent
from skhyperband._display.parameters import NumberAxis, ParameterScores, ParameterValues
from skhyperband._display.rungs import RungScores
from skhyperband._results import RungResult
from skhyperband._schedule import Bracket, Level, Rung

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
# Records, which users receive and never create: their fields are documented as attributes.
IGNORED_OF_RECORDS = {"PR01"}
# Protocols: they have no constructor of their own, and users do not call it.
IGNORED_OF_PROTOCOLS = {"PR01"}
# Records within public records: the example and the relatives of the public ones are enough.
INNER_RECORDS = (
    *(Rung, Bracket, Level, RungResult),
    *(RungScores, Incumbent, ParameterScores, ParameterValues, NumberAxis, Importances),
)
IGNORED_OF_INNER_RECORDS = {"PR01", "EX01", "SA01"}
# The modules whose public names are public, besides the package itself.
PUBLIC_MODULES = (skhyperband, skhyperband.testing)

# Shared parameters whose documentation differs between the two searches, and why.
DIFFERENT = {
    "sampler": "a sampler that learns can do so in one search only",
    "param_distributions": "only one search can evaluate a whole grid",
    "n_candidates": "the size of the only bracket, or of the widest one",
    "initial_candidates": "they count towards the only bracket, or towards the widest one",
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
    """Yield the names of what users may look up, and the rules that do not apply to each."""
    for module, name in ((home, name) for home in PUBLIC_MODULES for name in home.__all__):
        value = getattr(module, name)
        ignored = IGNORED
        if dataclasses.is_dataclass(value):
            ignored = IGNORED | IGNORED_OF_RECORDS
        elif inspect.isclass(value) and Protocol in value.__bases__:
            ignored = IGNORED | IGNORED_OF_PROTOCOLS
        yield pytest.param(f"{module.__name__}.{name}", ignored, id=name)
        if inspect.isclass(value):
            for member in members(value):
                full = f"{module.__name__}.{name}.{member}"
                yield pytest.param(full, IGNORED | IGNORED_OF_MEMBERS, id=f"{name}.{member}")
    for record in INNER_RECORDS:
        name = f"{record.__module__}.{record.__name__}"
        yield pytest.param(name, IGNORED | IGNORED_OF_INNER_RECORDS, id=record.__name__)


def section(cls, title):
    """Return a section of a class's docstring as name to type and text, without line breaks."""
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
    """A public docstring has the sections, order and punctuation that numpydoc requires."""
    errors = [f"{code}: {text}" for code, text in validate(name)["errors"] if code not in ignored]

    assert not errors


def test_what_is_validated():
    """The walk over the public objects finds functions, classes, methods and properties."""
    names = {case.id for case in DOCUMENTED}

    assert names >= {
        *skhyperband.__all__,
        "check_sampler",
        *(
            f"{cls.__name__}.{name}"
            for cls in SEARCHES
            for name in ("fit", "plan", "refit_best", "score", "top")
        ),
        "Plan.cost",
        "Plan.n_candidates",
        "Rung",
    }


def test_what_is_ignored_is_a_rule():
    """Every code that is ignored is one of numpydoc's."""
    ignored = IGNORED.union(
        IGNORED_OF_MEMBERS, IGNORED_OF_RECORDS, IGNORED_OF_PROTOCOLS, IGNORED_OF_INNER_RECORDS
    )

    assert ignored <= ERROR_MSGS.keys()


@pytest.mark.parametrize(
    "record",
    [*filter(dataclasses.is_dataclass, vars(skhyperband).values()), *INNER_RECORDS],
    ids=lambda record: record.__name__,
)
def test_the_fields_of_records_are_documented(record):
    """The section "Attributes" of a record documents all of its fields and nothing else."""
    fields = {field.name for field in dataclasses.fields(record)}

    assert section(record, "Attributes").keys() == fields


@pytest.mark.parametrize(
    "name", sorted(set.intersection(*map(constructor, SEARCHES)) - DIFFERENT.keys())
)
def test_shared_parameters_are_documented_alike(name):
    """A parameter that means the same in both searches has the same documentation in both."""
    one, other = (section(cls, "Parameters")[name] for cls in SEARCHES)

    assert one == other


@pytest.mark.parametrize("name", DIFFERENT)
def test_parameters_that_differ_are_documented_differently(name):
    """A parameter that is listed as different has a different documentation in each search."""
    one, other = (section(cls, "Parameters")[name] for cls in SEARCHES)

    assert one != other
