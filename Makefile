# `make` lists what there is. Every target sets up what it needs first.
PYTHON ?= python3
BIN := .venv/bin

# Begin again where an installation was cut off, or where .venv has lost its Python.
$(shell [ ! -e .venv/installing ] && [ -x $(BIN)/python ] || rm -f .venv/*.stamp)

.PHONY: help run demo multilingual test test-fast bench bench-report check format demo-data screenshots clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: .venv/run.stamp  ## Start the dashboard on http://127.0.0.1:8501
	@$(BIN)/python -m streamlit run app.py

demo: .venv/dev.stamp  ## Start it on a stand-in for Amazon S3 Vectors, without an account (PROFILE=ceph: another server)
	@$(BIN)/python -m standin.demo --profile $(or $(PROFILE),aws)

multilingual: .venv/multilingual.stamp  ## Install the model of MEMORY_EMBEDDER=multilingual

# Each process of a run reads what another has compiled.
test test-fast: export PYTHONDONTWRITEBYTECODE :=
# Three of them share the cores, and a thread of NumPy that waits for work keeps one busy.
test test-fast: export OPENBLAS_NUM_THREADS := 1

test: .venv/dev.stamp .venv/chromium.stamp  ## Run all tests
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-fast: .venv/dev.stamp  ## Run the tests without a browser, a process of their own or each fault there is
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder \
		-m "not browser and not process and not exhaustive"

bench: .venv/dev.stamp .venv/chromium.stamp  ## Measure against plain mem0 and chromadb, as ratios
	@$(BIN)/python -m benchmarks

bench-report: .venv/dev.stamp .venv/chromium.stamp  ## Measure all of it and write docs/benchmarks.md
	@$(BIN)/python -m benchmarks --report docs/benchmarks.md

check: .venv/dev.stamp  ## Lint, formatting and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy --strict memory_core dashboard

format: .venv/dev.stamp  ## Put the code into the common form
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

demo-data: .venv/run.stamp  ## Load the example memories through the command line
	@sh scripts/load-demo-data.sh $(BIN)/python

screenshots: .venv/dev.stamp .venv/chromium.stamp  ## Take the pictures of README and docs anew
	@$(BIN)/python -m scripts.screenshots

clean:  ## Remove the virtual environment and caches; memories in data/ stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/venv.stamp:
	@sh scripts/make-venv.sh $(PYTHON)
	@touch $@

.venv/run.stamp: requirements.lock | .venv/venv.stamp
	@echo "Installing what Holdfast runs on (once, a few minutes) ..."
	@sh scripts/install-requirements.sh requirements.lock
	@touch $@

.venv/multilingual.stamp: requirements-multilingual.txt .venv/run.stamp
	@echo "Installing the model for many languages ..."
	@sh scripts/install-requirements.sh requirements-multilingual.txt
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/run.stamp
	@echo "Installing what the tests need ..."
	@sh scripts/install-requirements.sh requirements-dev.lock
	@touch $@

# Without a stamp it is tried again the next time.
.venv/chromium.stamp: scripts/install-chromium.sh | .venv/dev.stamp
	@if sh scripts/install-chromium.sh $(BIN)/python; then touch $@; fi
