import ast
import sys
from pathlib import Path

import pytest

import skhyperband

PACKAGE = Path(skhyperband.__file__).parent
MODULES = {path.stem: ast.parse(path.read_text()) for path in sorted(PACKAGE.glob("*.py"))}

# Lowest first: a module imports only from those above it in this list.
LAYERS = [
    {"_messages"},
    {"_plan", "_pickling", "_rooms", "_digest", "_journal"},
    {"_warnings", "_sklearn_compat", "_samplers", "_resources", "_states"},
    {"_subset", "_feature_bundles"},
    {"_kinds"},
    {"_continuation"},
    {"_evaluation"},
    {"_execution"},
    {"_loop", "_replay"},
    {"_results"},
    {"_parameters", "_inputs", "_scoring"},
    {"_base"},
    {"_search"},
    {"__init__"},
]
LAYER_OF = {name: number for number, layer in enumerate(LAYERS) for name in layer}

each_module = pytest.mark.parametrize("name", MODULES)


def imports(node):
    """Yield (module, imported name or None) for each import within the node."""
    for statement in ast.walk(node):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield alias.name, None
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, "imports are absolute"
            for alias in statement.names:
                yield statement.module, alias.name


def imports_of_ours(name):
    """Return the modules of the package that the module imports."""
    found = set()
    for module, imported in imports(MODULES[name]):
        package, _, submodule = module.partition(".")
        if package == "skhyperband":
            found.add(submodule or (imported if imported in MODULES else "__init__"))
    return found


def imports_at_the_top(tree):
    """Return the packages that importing the module itself imports."""
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.Lambda))]
    lazy = {id(node) for function in functions for node in ast.walk(function)}
    return {
        module.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom)) and id(node) not in lazy
        for module, _ in imports(node)
    }


@each_module
def test_every_module_has_a_layer(name):
    """A new module says where it stands."""
    assert name in LAYER_OF


@each_module
def test_imports_go_down(name):
    """A module uses those in the layers below its own, so that there are no cycles."""
    not_below = {m for m in imports_of_ours(name) if LAYER_OF[m] >= LAYER_OF[name]}

    assert not not_below


@pytest.mark.parametrize("name", [name for name in MODULES if name != "_sklearn_compat"])
def test_private_names_of_sklearn_have_one_importer(name):
    """Only the module made for it depends on what scikit-learn may change any day."""
    private = [
        (module, imported)
        for module, imported in imports(MODULES[name])
        if module.partition(".")[0] == "sklearn"
        if any(part.startswith("_") for part in [*module.split("."), imported or ""])
    ]

    assert not private


def test_the_one_importer_needs_private_names():
    """The walk over the imports sees private names where there are some."""
    names = {imported for _, imported in imports(MODULES["_sklearn_compat"])}

    assert any(name is not None and name.startswith("_") for name in names)


def test_the_schedule_needs_the_standard_library_only():
    """Planning imports nothing of ours and nothing that is installed."""
    assert imports_at_the_top(MODULES["_plan"]) <= sys.stdlib_module_names
    assert imports_of_ours("_plan") == set()


def test_the_schedule_asks_for_pandas_only_when_it_makes_a_frame():
    """What is imported within its functions is pandas and nothing else."""
    lazy = {module for module, _ in imports(MODULES["_plan"])} - sys.stdlib_module_names

    assert lazy - {"collections.abc"} == {"pandas"}


@pytest.mark.parametrize("upper", ["_execution", "_loop", "_results", "_search"])
def test_workers_import_nothing_that_runs_the_search(upper):
    """An evaluation knows nothing of who ordered it."""
    assert upper not in imports_of_ours("_evaluation")


OPTIONAL = {"pandas", "polars", "matplotlib", "rich", "optuna", "dask", "distributed", "ray"}
OPTIONAL |= {"xgboost", "lightgbm", "catboost", "skorch", "torch"}


@each_module
def test_extras_are_imported_where_they_are_used(name):
    """Importing the package needs no optional dependency."""
    assert not imports_at_the_top(MODULES[name]) & OPTIONAL
