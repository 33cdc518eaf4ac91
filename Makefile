# Everything that a checkout needs is made in .venv, on the first call.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest

# Searches and tests start hundreds of processes: compiled modules are kept.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test lint ruff codespell types mypy typical-uses doctest clusters figures docs examples \
	oldest dist release clean

# The first example of the gallery, in the terminal.
demo: $(VENV)/.installed-demo
	MPLBACKEND=template $(BIN)/python docs/examples/plot_01_first_search.py

# Three files of tests at a time on two cores: many tests wait for processes that they have started.
test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 25

lint: ruff codespell

ruff: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

codespell: $(VENV)/.installed-dev
	$(BIN)/codespell

types: mypy typical-uses

mypy: $(VENV)/.installed-dev
	$(BIN)/mypy

# From outside the package: what users' own type checkers see of it.
typical-uses: $(VENV)/.installed-dev
	rm -rf build
	$(BIN)/python .ci/check_types.py

doctest: $(VENV)/.installed-test
	$(BIN)/python -m pytest --doctest-glob='*.md' --doctest-glob='*.rst' \
		--ignore-glob='*/draw.py' README.md docs skhyperband

# The scripts of the user guide, each of which starts a cluster of two worker processes and ends it.
clusters: $(VENV)/.installed-test
	$(BIN)/python docs/clusters/search_on_dask.py
	$(BIN)/python docs/clusters/search_on_ray.py

# What searches cost and what the defaults find must not get worse than the limits of the script.
figures: $(VENV)/.installed-test
	$(BIN)/python benchmarks/track.py --limits

docs: $(VENV)/.installed-docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

# The docs, with all examples run again: `docs` runs only those whose own file has changed.
examples:
	rm -rf docs/auto_examples
	$(MAKE) docs

# The oldest dependencies that setup.cfg allows, and none of the extras: three examples
# need pandas, matplotlib or Optuna.
oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -p no:cacheprovider \
		--deselect skhyperband/_journal/reading.py::skhyperband._journal.reading.read_journal \
		--deselect skhyperband/_display/search_display.py::skhyperband._display.search_display.SearchDisplay \
		--deselect skhyperband/_to_optuna.py::skhyperband._to_optuna.to_optuna

# Both archives, and a check of what is in them; the wheel must work on its own.
dist: $(VENV)/.installed-dev
	rm -rf dist build
	$(BIN)/python -m build > /dev/null
	$(BIN)/python .ci/check_dist.py

# The archives in empty environments, with each extra, on each of these: takes ten minutes for each.
PYTHONS ?= $(PYTHON)
release: dist
	$(BIN)/python .ci/check_release.py $(PYTHONS)

clean:
	rm -rf $(VENV) $(OLDEST) build dist docs/_build docs/auto_examples docs/generated .coverage *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-demo: setup.cfg $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[plot,pandas]'
	touch $@

$(VENV)/.installed-test: setup.cfg $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

$(VENV)/.installed-docs: setup.cfg $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	touch $@

$(VENV)/.installed-dev: setup.cfg $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(OLDEST)/.installed: setup.cfg
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet scikit-learn==1.7.0 numpy==1.23.2 \
		scipy==1.9.2 joblib==1.4.0 threadpoolctl==3.1.0 pytest 'pytest-xdist>=3.7' hypothesis psutil
	$(OLDEST)/bin/python -m pip install --quiet --no-deps --editable .
	touch $@
