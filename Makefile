# Two commands start from nothing but Python 3.11+ with venv: `make run` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test check format bench lock clean

help: ## what can be made here
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/run.done ## set up, pull the embedded model, start the house and print its address
	$(BIN)/freehold up --pull $(ARGS)

test: $(VENV)/dev.done ## set up, then run everything that can run here
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/dev.done ## ruff, mypy --strict, architecture, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/architecture $(ARGS)

format: $(VENV)/dev.done ## put every file in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev.done ## measure every claim of bench/README.md on this machine
	$(BIN)/python -m bench $(ARGS)

lock: ## resolve the dependencies anew and write the lock files
	$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv
	.venv-lock/bin/uv pip compile --quiet --universal --generate-hashes --no-header --upgrade \
	  --group house pyproject.toml -o requirements.lock
	echo pip | .venv-lock/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --upgrade \
	  - -o requirements-pip.lock
	.venv-lock/bin/uv pip compile --quiet --universal --generate-hashes --no-header --upgrade \
	  -c requirements.lock --group house --group dev pyproject.toml -o requirements-dev.lock

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The pip of an older Python resolves a locked name anew where it is asked for with an extra (mended in pip 23.3).
$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Freehold needs Python 3.11, 3.12 or 3.13; this is " + sys.version.split()[0] + ". Say which: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements-pip.lock

$(VENV)/run.done: $(VENV)/bin/python requirements.lock pyproject.toml
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.done: $(VENV)/bin/python requirements-dev.lock pyproject.toml
	$(PIP) --require-hashes -r requirements-dev.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
