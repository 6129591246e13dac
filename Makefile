# Everything a fresh machine needs: python3 (3.11 or newer), make, a package index.
#
#   make plan    set up and rank plans for Llama 3.1 70B
#   make test    set up and run all tests
#   make check   what CI checks, tests included
#   make bench   start-up times and search speed against their goals
#   make fidelity  every acceptance figure with its goal: met or not
#   make accuracy  predicted against measured: tables and plots in docs/accuracy
#
# PYTHON=/path/to/python3 picks another interpreter, TESTS='-k units' narrows the tests.

PYTHON ?= python3
TESTS ?=
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.fmctl
DEV_STAMP := $(VENV)/.fmctl-dev

.DEFAULT_GOAL := help
.PHONY: help plan test check bench fidelity accuracy environment clean

help:
	@sed -n 's/^#   //p' Makefile

plan: $(RUN_STAMP)
	$(BIN)/fmctl plan llama-3.1-70b --instances p5.48xlarge,p5en.48xlarge,p6-b200.48xlarge --tokens 15T

test: $(DEV_STAMP)
	$(BIN)/python -m pytest -n auto $(TESTS)

check: $(DEV_STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n auto $(TESTS)

bench: $(DEV_STAMP)
	@set -e; for script in $(filter-out %/accuracy.py %/fidelity.py %/kernels.py %/mutants.py %/fuzz.py %/kills.py,$(wildcard tests/budget/[a-z]*.py)); do \
	  echo "$$script"; $(BIN)/python "$$script"; done

fidelity: $(DEV_STAMP)
	$(BIN)/python tests/budget/fidelity.py

accuracy: $(DEV_STAMP)
	$(BIN)/python tests/budget/accuracy.py

# What tests and checks run in, without running any.
environment: $(DEV_STAMP)

clean:
	rm -rf $(VENV) build dist

# A folder left behind by an attempt without ensurepip has no pip: it is made again.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "fmctl needs Python 3.11 or newer; try: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "this python3 cannot make virtual environments (no ensurepip); install your system's python3-venv package, \
or: make PYTHON=/path/to/another/python3 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)

# Installed editable: the stamps only go stale when the dependencies change.
$(RUN_STAMP): pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(DEV_STAMP): pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(RUN_STAMP)
