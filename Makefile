# make attack: environment, demo data, target, both attack stages. make test: environment, the suite;
# make test-all: with what is slow and rarely breaks.
# pip's own settings (index, mirrors, certificates) are honored: set them as you do for pip.

PYTHON ?= $(shell command -v python3.12 >/dev/null 2>&1 && python3.12 --version >/dev/null 2>&1 && echo python3.12 || echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1

.PHONY: attack audit test test-all bench docs ui lint clean help

help:  ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | column -t -s '	'

attack: $(READY)  ## Both attack stages on the demo target
	$(BIN)/kedro run --pipelines=attack

audit: $(READY)  ## Everything: attack, defenses, report
	$(BIN)/kedro run

test: $(READY) lint  ## The test suite
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-all: $(READY) lint  ## The test suite with what is slow and rarely breaks
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## Benchmarks: ratios taken in one run
	$(BIN)/python -m benchmarks

docs: $(READY)  ## The docs as a site, in build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

ui: $(READY)  ## MLflow on loopback: compare the runs
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db --host 127.0.0.1 --port 5000 --workers 1

$(READY): pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --constraint constraints.txt --editable . --group dev
	$(BIN)/pip install --quiet --no-deps --ignore-requires-python gan-face-generate==1.1.1
	touch $(READY)

clean:  ## Remove the environment and everything that was made
	rm -rf $(VENV) data/0* data/cache mlflow.db mlruns
