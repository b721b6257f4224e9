# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
SERVING := $(VENV)/serving

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench clean

help: ## list these commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 14

demo: $(VENV)/light ## set up and chat with two small models in the browser (PORT=8080)
	$(BIN)/python -m bot demo --port $(PORT)

test: $(VENV)/full $(SERVING)/ready check ## set up, check and run all tests
	$(BIN)/python -m pytest $(PYTEST)

check: $(VENV)/full ## lint, format and types, nothing changed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/full ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/full ## measure what docs/benchmarks.md reports
	$(BIN)/python -m bench

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "chinwag needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp is newer than pyproject.toml when what it stands for is installed.
$(VENV)/light: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cpu]'
	@touch $@

$(VENV)/full: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cpu,train,dev]'
	@touch $@ $(VENV)/light

# A server that we did not write, for the tests of the http backend. It wants another transformers than
# the trainer does, so it has an environment of its own, which finds torch in ours (after its own).
$(SERVING)/ready: $(VENV)/full
	$(BIN)/python -m venv $(SERVING)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $(VENV)/ours.pth
	mv $(VENV)/ours.pth $(SERVING)/lib/python*/site-packages/
	$(SERVING)/bin/python -m pip install --quiet --disable-pip-version-check 'transformers[serving]==5.23.0'
	@touch $@
