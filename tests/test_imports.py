import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skhyperband

PACKAGE = Path(skhyperband.__file__).parent


def name_of(path):
    """Return a module's dotted name in the package; a package is named like its folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {name_of(path): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}

# Lowest first: a module imports only from those in the lines above its own.
LAYERS = [
    ["_messages", "_pickling", "_tables", "_documentation", "_forks", "_typing", "_optuna"],
    ["_html", "_sklearn_compat"],
    ["_schedule", "_fit_warnings", "_space"],
    ["_plan", "_records", "_resources"],
    ["_subset", "_history", "_advice"],
    ["_continuation.base", "_continuation.feature_bundles"],
    [
        "_continuation.sklearn_rules",
        "_continuation.xgboost_rules",
        "_continuation.lightgbm_rules",
        "_continuation.catboost_rules",
        "_continuation.skorch_rules",
        "_continuation.pipelines",
    ],
    ["_continuation.policy"],
    ["_continuation"],
    ["_threads"],
    ["_executors.shared_memory", "_executors.broadcast", "_executors.base"],
    ["_executors.states", "_executors.packed_value"],
    ["_executors.lone_process"],
    ["_executors.process_pool"],
    ["_executors.isolation", "_executors.limited", "_executors.dask_events"],
    ["_executors.cluster_worker"],
    ["_executors.cluster"],
    ["_executors.dask_cluster", "_executors.ray_cluster"],
    ["_executors.sequential_executor", "_executors.joblib_executor"],
    ["_executors.limited_executor"],
    ["_executors"],
    ["_evaluator"],
    ["_timing"],
    ["_journal.hashing", "_journal.files", "_journal.entries"],
    ["_journal.known_types"],
    ["_journal.digest", "_journal.database"],
    ["_journal.keys", "_journal.replay", "_journal.reading"],
    ["_journal.knowledge"],
    ["_journal"],
    [
        "_samplers.base",
        "_samplers.random",
        "_samplers.grid",
        "_samplers.axes",
        "_samplers.observations",
        "_samplers.gaussian_process",
    ],
    ["_samplers.encoding"],
    ["_samplers.sobol", "_samplers.learning", "_samplers.model", "_samplers.optuna_learner"],
    ["_samplers"],
    ["_round_sizes", "_given_estimator", "_optuna_parameters"],
    ["_rounds", "_sampler_dialogue"],
    ["_brackets", "_observers", "_task_run"],
    ["_standings", "_progress"],
    ["_level_evaluation"],
    ["_halving"],
    ["_results"],
    ["_scoring", "_resource_names", "_top"],
    ["_candidates", "_fitted"],
    ["_param_validation", "_data", "_planning", "_user_warnings"],
    ["_callbacks"],
    ["_setup"],
    ["_run"],
    ["_preview", "_search_html"],
    ["_base"],
    ["_measured"],
    ["_search", "testing", "_to_optuna"],
    ["_display.measurements"],
    ["_display.drawing"],
    ["_display.rungs", "_display.incumbent", "_display.parameters", "_display.importances"],
    ["_display.parameter_panels"],
    ["_display.search_display"],
    ["_display"],
    ["__init__"],
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
        package, _, inner = module.partition(".")
        if package == "skhyperband":
            submodule = f"{inner}.{imported}" if inner else imported
            found.add(submodule if submodule in MODULES else inner or "__init__")
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
    assert imports_of_ours("_plan") == {"_html", "_messages", "_schedule", "_tables"}
    assert imports_of_ours("_html") == {"_tables"}
    for module in ("_messages", "_schedule", "_tables"):
        assert imports_of_ours(module) == set()
    for module in ("_plan", "_schedule", "_html", "_messages", "_tables"):
        assert imports_at_the_top(MODULES[module]) <= {*sys.stdlib_module_names, "skhyperband"}


def test_the_schedule_asks_for_pandas_only_when_it_makes_a_frame():
    """What is imported within its functions is pandas and nothing else."""
    lazy = {module for module, _ in imports(MODULES["_tables"])} - sys.stdlib_module_names

    assert lazy - {"collections.abc"} == {"pandas"}


@pytest.mark.parametrize("upper", ["_executors", "_halving", "_history", "_results", "_search"])
def test_workers_import_nothing_that_runs_the_search(upper):
    """An evaluation does not depend on the search that asks for it."""
    assert upper not in imports_of_ours("_evaluator")


OPTIONAL = {"pandas", "polars", "matplotlib", "rich", "optuna", "dask", "distributed", "ray"}
OPTIONAL |= {"xgboost", "lightgbm", "catboost", "skorch", "torch"}


# Modules that are imported only where their package is in use.
OF_AN_EXTRA = {"_executors.dask_cluster": "distributed", "_executors.ray_cluster": "ray"}


@each_module
def test_extras_are_imported_where_they_are_used(name):
    """Importing the package needs no optional dependency."""
    assert imports_at_the_top(MODULES[name]) & OPTIONAL <= {OF_AN_EXTRA.get(name)}


def loaded_by(module):
    """Return the names of all modules that importing one loads."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
    )
    return set(done.stdout.split())


def test_modules_of_an_extra_are_imported_where_they_are_used():
    """Importing the package imports none of them."""
    assert not {f"skhyperband.{name}" for name in OF_AN_EXTRA} & loaded_by("skhyperband")


@pytest.mark.parametrize("module", ["skhyperband", "tests.estimators"])
def test_estimators_are_imported_where_they_are_used(module):
    """Each worker process of a search imports the package, and would wait for them."""
    unused = {f"sklearn.{name}" for name in ("compose", "ensemble", "linear_model", "tree")}

    assert not unused & loaded_by(module)


def test_the_table_of_modules_is_that_of_the_layers():
    """CONTRIBUTING.md lists the modules from the top layer down, with their first sentences."""
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text()
    names = [name for layer in reversed(LAYERS) for name in layer if name != "__init__"]
    rows = [f"| `{n}` | {ast.get_docstring(MODULES[n]).partition(chr(10))[0]} |" for n in names]

    table = text.partition("| module | what it is for |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `.*", table, flags=re.MULTILINE) == rows
