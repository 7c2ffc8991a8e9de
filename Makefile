# Everything a contributor or a first user types. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help up test check format lock
.SILENT:

PYTHONS = $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11
ARGS ?=
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

export PIP_DISABLE_PIP_VERSION_CHECK = 1

# Virtual environments hold absolute paths: in a directory that was moved, as where Python has gone, all is made
# anew.
ifneq ($(shell $(BIN)/python -c 'print(open("$(INSTALLED)").read().strip())' 2>/dev/null),$(CURDIR))
.PHONY: $(INSTALLED)
endif

help: ## this list
	awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(INSTALLED) ## install what is missing and start everything; options: make up ARGS="--data-dir D --http :9080"
	exec $(BIN)/rhapsode up $(ARGS)

test: $(INSTALLED) ## every test once; options for pytest: make test ARGS="-k journal"
	exec $(BIN)/pytest -n 2 --dist loadfile $(ARGS)

check: $(INSTALLED) ## before every commit: format, lint, types, import contracts, fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -m "not slow"

format: $(INSTALLED) ## put the code in its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## resolve pyproject.toml anew into requirements.lock (needs uv, or UV=path)
	command -v $(UV) >/dev/null || { echo "make lock: uv is needed (https://docs.astral.sh/uv/)" >&2; exit 1; }
	$(UV) pip compile -q pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header \
		-o requirements.lock $(ARGS)

$(INSTALLED): requirements.lock pyproject.toml
	for name in $(PYTHONS); do \
		"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		old=$${old:-$$name}; \
		"$$name" -c 'import ensurepip, venv' 2>/dev/null && python=$$name && break; \
	done; \
	if [ -z "$$old" ]; then \
		echo "Python 3.11 or later is needed; found: $$(python3 --version 2>/dev/null || echo none)" >&2; exit 1; \
	elif [ -z "$$python" ]; then \
		echo "$$old has no venv (module ensurepip): on Debian and Ubuntu, apt install $$old-venv" >&2; exit 1; \
	fi; \
	echo "Installing into $(VENV), once; this may take a minute" && \
	{ [ "$$($(BIN)/python -c 'import sys; print(sys.prefix)' 2>/dev/null)" = "$(CURDIR)/$(VENV)" ] || \
		"$$python" -m venv --clear $(VENV); } && \
	$(BIN)/python -m pip install -q --require-hashes -r requirements.lock && \
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e . && \
	echo "$(CURDIR)" >$(INSTALLED)
