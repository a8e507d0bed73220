# `make` lists what there is. Every target sets up what it needs first.
PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help run demo test bench check format demo-data screenshots clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: .venv/run.stamp  ## Start the dashboard on http://127.0.0.1:8501
	@$(BIN)/python -m streamlit run app.py

demo: .venv/dev.stamp  ## Start it on a stand-in for Amazon S3 Vectors, without an AWS account
	@$(BIN)/python -m standin.demo

test: .venv/dev.stamp .venv/chromium.stamp  ## Run all tests
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

bench: .venv/dev.stamp  ## Measure against plain mem0 and chromadb, as ratios
	@$(BIN)/python -m benchmarks

check: .venv/dev.stamp  ## Lint, formatting and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy --strict memory_core

format: .venv/dev.stamp  ## Put the code into the common form
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

demo-data: .venv/run.stamp  ## Load the example memories through the command line
	@sh scripts/load-demo-data.sh $(BIN)/python

screenshots: .venv/dev.stamp .venv/chromium.stamp  ## Take the pictures of README and docs anew
	@$(BIN)/python -m scripts.screenshots

clean:  ## Remove the virtual environment and caches; memories in data/ stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Holdfast needs Python 3.11 or newer; name one with: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "Could not make .venv; on Debian install python3-venv first." >&2; exit 1; }

.venv/run.stamp: requirements.txt constraints.txt | .venv/bin/python
	@echo "Installing what Holdfast runs on (once, a few minutes) ..."
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt examples/fastapi_backend/requirements.txt .venv/run.stamp
	@echo "Installing what the tests need ..."
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

.venv/chromium.stamp: scripts/install-chromium.sh | .venv/dev.stamp
	@sh scripts/install-chromium.sh $(BIN)/python
	@touch $@
