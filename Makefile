# Needs python3 ≥ 3.11 with venv, and make; everything else goes into .venv.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCUST := $(VENV)/locust/.installed
LOCUST_LOCK := tests/benchmarks/load/requirements.lock
PYTEST_ARGS ?=
UP_ARGS ?=

.PHONY: help install up test check chaos bench bench-api format lock

# A virtual environment holds absolute paths: one that was moved, or whose Python has gone, is made anew.
ifneq ($(shell $(BIN)/python -c 'print(open("$(STAMP)").read().strip())' 2> /dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

help:  ## this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(STAMP)  ## install what is missing, then start everything (more options: make up UP_ARGS="--hep 0.0.0.0:9060")
	@exec $(BIN)/rhapsode up $(UP_ARGS)

test: $(STAMP)  ## every test once
	$(BIN)/pytest -n 2 --dist loadfile $(PYTEST_ARGS)

check: $(STAMP)  ## format, lint, types, import contracts and the fast tests: before every commit
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 -q -m "not slow" $(PYTEST_ARGS)

chaos: $(STAMP)  ## every fault that can be made here, everything counted (15 minutes; SEED=n LONG=1 ONLY=pattern)
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(LONG),--long) $(if $(ONLY),--only "$(ONLY)")

bench: $(STAMP)  ## the figures of docs/performance.md beside their targets (15 minutes, needs cc; BENCH_ARGS="--quick")
	$(BIN)/python -m tests.benchmarks $(BENCH_ARGS)

bench-api: $(LOCUST)  ## how fast the API answers, beside its targets (25 minutes, needs cc; BENCH_ARGS="--quick")
	$(BIN)/python -m tests.benchmarks.load $(BENCH_ARGS)

format: $(STAMP)  ## rewrite the files in the house format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock:  ## resolve the dependencies anew (needs uv)
	@command -v uv > /dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv" >&2; exit 1; }
	uv pip compile -q pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header -o requirements.lock
	echo locust | uv pip compile -q - --universal --python-version 3.11 --generate-hashes --no-header -o $(LOCUST_LOCK)

install: $(STAMP)  ## only install, into .venv

# The stamp comes last, so an interrupted installation is taken up again. No network for the build: what it needs is locked.
$(STAMP): requirements.lock pyproject.toml
	@set -e; \
	for python in "$${PYTHON:-python3}" python3.13 python3.12 python3.11; do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then found="$$python"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "Rhapsode needs Python 3.11 or later: there is none called python3 (or name it: make up PYTHON=/path/to/python3)" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import venv, ensurepip' 2> /dev/null; then \
	    echo "Rhapsode needs Python's venv module: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; \
	fi; \
	if [ "$$($(BIN)/pip --version 2> /dev/null | grep -c "$(CURDIR)/$(VENV)/")" != 1 ]; then \
	    echo "making $(VENV) with $$found"; "$$found" -m venv --clear $(VENV); \
	fi
	@echo "installing into $(VENV), once; this may take a minute"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-index --no-build-isolation --no-deps -e .
	@echo "$(CURDIR)" > $@

# An environment of its own: none of what it brings is needed, or wanted, beside the program.
$(LOCUST): $(STAMP) $(LOCUST_LOCK)
	$(BIN)/python -m venv --clear $(VENV)/locust
	$(VENV)/locust/bin/pip install -q --disable-pip-version-check --require-hashes -r $(LOCUST_LOCK)
	@touch $@
