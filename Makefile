# make help lists all there is. The first target that needs it makes the environment.
# pip's own settings (index, mirrors, certificates) are honored: set them as you do for pip.

PYTHON ?= $(shell command -v python3.12 >/dev/null 2>&1 && python3.12 --version >/dev/null 2>&1 && echo python3.12 || echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1

.PHONY: help attack audit ui test test-all lint bench docs environment clean

help:
	@echo "faceleak: how much does a face-recognition backbone give away about the people it was trained on?"
	@awk -F ':[^\#]*\#\# ' '/^\#\#@ / {print "\n" substr($$0, 5)} /^[a-z-]+:.*\#\# / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@printf "\nMore: README.md, docs/commands.md, and in the environment (source $(VENV)/bin/activate) kedro run --help\n"

##@ Audit
attack: $(READY)  ## both attack stages on the demo target, with tables of results at the end
	$(BIN)/kedro run --pipelines=attack

audit: $(READY)  ## the whole audit: attack, every defense, report
	$(BIN)/kedro run

ui: $(READY)  ## compare runs in MLflow, on http://127.0.0.1:5000
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db --host 127.0.0.1 --port 5000 --workers 1

##@ Develop
test: $(READY) lint  ## lint, types, import rules, the test suite
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-all: $(READY) lint  ## the same with what is slow and rarely breaks
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(READY)  ## lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## benchmarks: ratios taken in one run
	$(BIN)/python -m benchmarks

docs: $(READY)  ## the docs as a site, in build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

##@ Environment
environment: $(READY)  ## make it, as every target above does first

# pip's many lines become a few: a count, files of 10 MB and more, and the end. A pipe loses its exit status: hence .failed.
$(READY): pyproject.toml constraints.txt
	@echo "Making the environment in $(VENV), once. It usually takes one and a half to three minutes, more on a slow network."
	@echo "[1/4] Python: $$($(PYTHON) --version)"
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "[2/4] pip"
	@$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	@echo "[3/4] torch, Kedro, MLflow and all else that constraints.txt pins"
	@rm -f $(VENV)/.failed; { PYTHONUNBUFFERED=1 $(BIN)/pip install --progress-bar off --constraint constraints.txt --editable . --group dev || touch $(VENV)/.failed; } | { \
		count=0; while read -r line; do case "$$line" in \
			Collecting*) count=$$((count + 1)); [ $$((count % 50)) -ne 0 ] || echo "      $$count packages looked up";; \
			Downloading*"("[0-9][0-9]*" MB)"*|Downloading*" GB)"*) echo "      $$line";; \
			"Installing collected packages"*) echo "      Installing $$count packages, which is the longest step";; \
		esac; done; }
	@test ! -e $(VENV)/.failed
	@echo "[4/4] the generator of the demo's faces"
	@$(BIN)/pip install --quiet --no-deps --ignore-requires-python gan-face-generate==1.1.1
	@touch $(READY)
	@echo "The environment is there."

clean:  ## remove the environment and everything that was made
	rm -rf $(VENV) data/0* data/cache mlflow.db mlruns
