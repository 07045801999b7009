# Every target makes what it needs; the only thing that must be there is Python 3.11 or newer (PYTHON=...) with pip.
PYTHON ?= python3
BIN := .venv/bin
# processes share the cores: threads that spin while they wait would stall the others
export OMP_WAIT_POLICY ?= PASSIVE
# modules are compiled once and not in every process, also where the environment says otherwise: pip leaves
# torch and its like uncompiled, and they take longer to compile than to load
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/pycache
JOBS ?= 2

.PHONY: setup demo docs test suite test-slow test-all test-docs check fmt parity bench lite student clean

setup: .venv/dev.stamp  ## everything developers and checks use

# modules are compiled when they are first imported: pip would compile all of torch
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cinefoley needs Python 3.11 or newer, found " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv

# each is one installation; the demo does not wait for what only training or developers need
.venv/core.stamp: pyproject.toml | $(BIN)/python
	$(PIP) .
	touch $@

.venv/train.stamp: pyproject.toml | $(BIN)/python
	$(PIP) '.[train]'
	touch $@

.venv/dev.stamp: pyproject.toml | $(BIN)/python
	$(PIP) '.[dev]'
	touch $@

demo: .venv/core.stamp  ## unseen stage clips, whole and through windows, and a page to look at: demo/index.html
	$(BIN)/python recipes/demo.py --out demo

check: .venv/dev.stamp  ## lint, types, import contracts, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports
	$(BIN)/codespell src tests recipes benchmarks docs tools README.md CHANGELOG.md CONTRIBUTING.md

# the processes of the suite fill the cores
suite test-slow test-all test-docs: export OMP_NUM_THREADS := 1

# side by side: mypy is one process, and the suite waits for servers and browsers now and then
test: .venv/dev.stamp  ## the checks and the test suite; JOBS=4 takes four processes
	$(MAKE) --no-print-directory --jobs=2 check suite

suite: .venv/dev.stamp
	$(BIN)/pytest --numprocesses=$(JOBS) --dist=worksteal

test-slow: .venv/dev.stamp  ## the tests that take minutes, but for those of docs and parity
	$(BIN)/pytest --numprocesses=$(JOBS) --dist=worksteal --run-slow -m slow --ignore=tests/parity --ignore=tests/docs

# parity by itself: each process of its own would make a model of 4 GB
test-all: check  ## the same, slow tests and coverage included
	$(BIN)/pytest --numprocesses=$(JOBS) --dist=worksteal --run-slow --cov --cov-report= --ignore=tests/parity
	$(BIN)/pytest tests/parity --run-slow --cov --cov-append --cov-report=term

parity: .venv/dev.stamp  ## numbers of reference code, all models at full size (8 GB of disk, 12 GiB of memory)
	$(BIN)/pytest tests/parity --run-slow

docs: .venv/dev.stamp  ## build the documentation site: build/site/index.html
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=src $(BIN)/mkdocs build --strict

test-docs: docs  ## run the tutorials and the notebook, check the site in a browser, install the wheel
	$(BIN)/pytest tests/docs --run-slow -m slow --numprocesses=$(JOBS) --dist=worksteal

fmt: .venv/dev.stamp  ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/dev.stamp  ## every benchmark, one after the other
	for file in benchmarks/*/*.py; do $(BIN)/python $$file || exit 1; done

lite: .venv/train.stamp  ## train the default model from nothing, resuming whatever is unfinished
	$(BIN)/python recipes/lite.py

student: .venv/train.stamp  ## distil the default model's student, resuming if unfinished
	$(BIN)/python recipes/lite_student.py

clean:
	rm -rf .venv build dist demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
