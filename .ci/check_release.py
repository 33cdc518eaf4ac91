"""Try the archives of `make dist` as users would: in empty environments, with and without each extra.

    .venv/bin/python .ci/check_release.py python3.11 python3.12

For each Python that is named, the wheel is installed with the newest dependencies: alone, with each of
its extras, and with all of them. With Python 3.11, for which all of them have wheels, it is also installed
with the oldest that `setup.cfg` allows. Each time it is used, and what is missing must say so. At last the
docs are built from the source archive.
"""

import configparser
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ["pandas", "plot", "progress", "optuna", "dask", "ray"]
# Extras for which setup.cfg has no number.
OLD = {"pandas": "pandas<2.1", "progress": "rich<14"}
OLDEST_PYTHON = (3, 11)

SEARCH = """
import warnings
import numpy as np
import skhyperband
from joblib import parallel_config
from scipy.stats import loguniform
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from skhyperband import HyperbandSearchCV, SearchDisplay, to_optuna

def make_search(**parameters):
    return HyperbandSearchCV(
        RandomForestRegressor(9, random_state=0), {"ccp_alpha": loguniform(1, 100)},
        n_repeats=1, cv=3, random_state=0, **parameters,
    )

X, y = load_diabetes(return_X_y=True)

if __name__ == "__main__":
    search = make_search().fit(X, y)
    assert "site-packages" in skhyperband.__file__, skhyperband.__file__
    print(f"score {search.best_score_:.3f}")
"""
# What each extra is for.
USES = {
    "pandas": "assert len(search.top(3)) and len(search.plan_.to_frame())",
    "plot": (
        "import matplotlib; matplotlib.use('agg'); "
        "SearchDisplay.from_estimator(search, kind='rungs')"
    ),
    "progress": (
        "from sklearn.callback import ProgressBar; "
        "make_search().set_callbacks(ProgressBar()).fit(X, y)"
    ),
    "optuna": "make_search(sampler='tpe').fit(X, y); to_optuna(search)",
    "dask": (
        "from distributed import Client\n"
        "    with Client(n_workers=2, threads_per_worker=1, dashboard_address=':0'):\n"
        "        with parallel_config(backend='dask'):\n"
        "            again = make_search(n_jobs=2).fit(X, y)\n"
        "    assert again.best_score_ == search.best_score_"
    ),
    "ray": (
        "import ray\n"
        "    from ray.util.joblib import register_ray\n"
        "    ray.init(num_cpus=2, include_dashboard=False)\n"
        "    register_ray()\n"
        "    with parallel_config(backend='ray'):\n"
        "        again = make_search(n_jobs=2).fit(X, y)\n"
        "    assert again.best_score_ == search.best_score_"
    ),
}
# What says which extra is missing.
NEEDING = {
    "pandas": "search.top(3)",
    "plot": "SearchDisplay.from_estimator(search, kind='rungs')",
    "optuna": "make_search(sampler='tpe').fit(X, y)",
}
# scikit-learn has callbacks, and its progress bar, from this version on.
FIRST_WITH_CALLBACKS = (1, 9)


def oldest_versions(extras: list[str]) -> list[str]:
    """Return the lower bounds of setup.cfg as requirements."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split()
    for extra in extras:
        lines += config["options.extras_require"][extra].split()
    old = [OLD[extra] for extra in (EXTRAS if extras == ["all"] else extras) if extra in OLD]
    return [line.replace(">=", "==") for line in lines if ">=" in line] + old


def run(*command: object, **options: object) -> str:
    """Run a command; return what it printed. If it fails, what it printed is in the error."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stdout}")
    return str(done.stdout)


def version_of(python: object) -> tuple[int, ...]:
    """Return the version of an interpreter."""
    printed = run(python, "-c", "import sys; print(*sys.version_info[:2])")
    return tuple(int(part) for part in printed.split())


def use(python: Path, extras: set[str], folder: Path) -> None:
    """Search, use what the extras are for, and see that what is missing says so."""
    version = run(python, "-c", "import sklearn; print(sklearn.__version__)").split(".")
    callbacks = tuple(int(part) for part in version[:2]) >= FIRST_WITH_CALLBACKS
    lines = [USES[extra] for extra in extras if extra != "progress" or callbacks]
    for extra in NEEDING.keys() - extras:
        lines.append(
            f"try:\n        {NEEDING[extra]}\n"
            f"    except ImportError as error:\n        assert 'skhyperband[{extra}]' in str(error)\n"
            f"    else:\n        raise AssertionError('{extra} is not missing')"
        )
    script = folder / "use.py"
    script.write_text(SEARCH + "".join(f"    {line}\n" for line in lines))
    printed = run(python, "-W", "ignore", script, cwd=folder).splitlines()
    print(*(line for line in printed if line.startswith("score")))


def try_wheel(python: str, wheel: Path, extras: list[str], requirements: list[str]) -> None:
    """Install the wheel with extras in an empty environment, and use it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(python, "-m", "venv", folder / "venv")
        new = folder / "venv" / "bin" / "python"
        wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
        run(new, "-m", "pip", "install", "--quiet", wanted, *requirements)
        run(new, "-m", "pip", "check")
        use(new, set(EXTRAS if extras == ["all"] else extras), folder)


def build_docs(sdist: Path) -> None:
    """Build the docs from the source archive alone, without the examples' output."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        (tree,) = Path(folder).iterdir()
        run(sys.executable, "-m", "venv", tree / "venv")
        python = tree / "venv" / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", ".[docs]", cwd=tree)
        sphinx = [python, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
        run(*sphinx, "-D", "plot_gallery=0", "docs", "html", cwd=tree)
        assert (tree / "html" / "index.html").exists()


def main() -> None:
    """Try everything, and print a line for each."""
    (sdist,) = ROOT.glob("dist/*.tar.gz")
    (wheel,) = ROOT.glob("dist/*.whl")
    for python in sys.argv[1:] or [sys.executable]:
        version = version_of(python)
        for extras in [[], *([extra] for extra in EXTRAS), ["all"]]:
            name = f"Python {'.'.join(map(str, version))}, {extras or 'no extras'}"
            print(f"{name}, newest:", end=" ", flush=True)
            try_wheel(python, wheel, extras, [])
            if version == OLDEST_PYTHON:
                print(f"{name}, oldest:", end=" ", flush=True)
                try_wheel(python, wheel, extras, oldest_versions(extras))
    build_docs(sdist)
    print("The docs build from the source archive.")


if __name__ == "__main__":
    main()
