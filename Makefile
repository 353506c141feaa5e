# Two commands: `make run` and `make test`. Everything else helps those who work on Tenure.
PYTHON ?= python3
# Where servers listen: nobody else on the network sees them unless told otherwise.
HOST ?= 127.0.0.1
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tenure needs Python 3.11 or newer; name one with make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $(STAMP)

setup: $(STAMP)  ## the environment, .venv, alone

run: setup  ## environment, then the whole flow on the built-in demo company
	$(BIN)/tenure run demo

# Of three workers on two cores one waits for a kernel or a server at any time.
test: setup  ## environment, then the whole test suite, on two cores
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: setup  ## format, lint, types, notebook rules, known vulnerabilities of dependencies; side by side, with -j
	@$(MAKE) --no-print-directory lint types rules audit

lint: setup
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks notebooks

types: setup
	$(BIN)/mypy

rules: setup
	$(BIN)/python -m pytest tests/test_notebook_rules.py tests/test_import_direction.py

audit: setup
	$(BIN)/python .ci/audit.py

format: setup  ## bring the code into shape
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks notebooks

lab: setup  ## JupyterLab on the notebooks, loopback only unless HOST= says otherwise
	$(BIN)/jupyter lab --ip $(HOST) $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

mlflow: setup  ## the MLflow UI on the local store, loopback only unless HOST= says otherwise
	MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow ui --host $(HOST) --backend-store-uri sqlite:///$(CURDIR)/mlruns/mlflow.db

bench: setup  ## the benchmarks, printed; hours of kills and a month of mornings: make soak
	$(BIN)/python benchmarks/lapse.py
	$(BIN)/python benchmarks/orange.py
	$(BIN)/python benchmarks/demo.py
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/value.py
	$(BIN)/python benchmarks/measure.py
	$(BIN)/python benchmarks/effects.py
	$(BIN)/python benchmarks/restock.py
	$(BIN)/python benchmarks/recommendations.py
	$(BIN)/python benchmarks/decisions.py
	$(BIN)/python benchmarks/since_last.py
	$(BIN)/python benchmarks/kpi_links.py
	$(BIN)/python benchmarks/identity.py
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/features.py --growth
	$(BIN)/python benchmarks/runs.py
	$(BIN)/python benchmarks/spark.py

soak: setup  ## 200 kills, 100 kills of decisions, 1,000 bad inputs, 1,000 odd files, a month of daily runs, a year of decisions, 20 worlds whose truth is known, 40 times the drawn examples, every real source, every planted leak: hours
	$(BIN)/python benchmarks/kills.py
	$(BIN)/python benchmarks/decision_kills.py
	$(BIN)/python benchmarks/bad_inputs.py
	$(BIN)/python benchmarks/door.py
	$(BIN)/python benchmarks/month.py
	$(BIN)/python benchmarks/states.py
	$(BIN)/python benchmarks/decision_days.py
	$(BIN)/python benchmarks/closed_loop.py --most 100000
	TENURE_SOAK=40 $(BIN)/python -m pytest $$(grep -rl '^@drawn' tests) tests/targets/test_churn_exactly.py tests/audit/test_deliveries.py \
		tests/audit/test_full.py tests/models/test_deleted_in_mlflow.py tests/snapshots/engines/test_bucket_plan.py tests/snapshots/engines/test_spark_engine.py \
		tests/test_gates.py tests/scoring/test_scoring_outcomes.py tests/runs/test_plugins_in_a_run.py tests/models/test_moved_workspace.py tests/runs/test_flow.py

clean:  ## remove what was built, keep the raw data
	rm -rf data/staged data/snapshots reports/*/ .pytest_cache .mypy_cache .ruff_cache

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: setup run test check lint types rules audit format lab mlflow bench soak clean help
