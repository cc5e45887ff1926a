# make demo | test | lint | bench | serve: each sets up what it needs.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml tools/bootstrap.sh
	@PYTHON=$(PYTHON) VENV=$(VENV) tools/bootstrap.sh python
	@touch $@

setup: $(STAMP) ## virtual environment and Python packages

peers: ## Debian packages that tests and benchmarks run beside us
	@tools/bootstrap.sh peers

demo: $(STAMP) ## start a small real AI platform and watch it with hypercare
	$(BIN)/hypercare demo

serve: $(STAMP) ## watch the platform of ./hypercare.yml
	$(BIN)/hypercare serve

lint: $(STAMP) ## style, types, floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(STAMP) peers lint ## everything that must hold
	@$(BIN)/python -m compileall -q src # hundreds of tests start hypercare; some machines keep no compiled modules
	$(BIN)/pytest -n 3

conformance: $(STAMP) ## other people's test data (folder in $$HYPERCARE_CONFORMANCE)
	$(BIN)/pytest tests/conformance

bench: $(STAMP) peers ## print every published figure
	$(BIN)/python -m benchmarks

RUNS ?= 1000000
fuzz: $(STAMP) ## a million inputs to everything that reads foreign bytes (RUNS=…)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,fuzz]' && $(BIN)/python -m fuzz --runs $(RUNS)

schemathesis: $(STAMP) ## the whole API with generated data, for long (EXAMPLES=…)
	EXAMPLES=$${EXAMPLES:-200} $(BIN)/pytest tests/web/test_schemathesis.py --timeout 7200

KILLS ?= 100
SEED ?= 1
kills: $(STAMP) ## kill -9 at a hundred seeded moments: the store, a server under ingestion, one under a watch (KILLS=… SEED=…)
	KILLS=$(KILLS) SEED=$(SEED) KILLS_LOSS=1 $(BIN)/pytest tests/tsdb/test_kill.py tests/e2e/test_kill_serve.py tests/e2e/test_kill_watch.py -s

corrupt: $(STAMP) ## every byte of a store with everything in it flipped once, every file cut anywhere
	CORRUPT=1 $(BIN)/pytest tests/tsdb/test_every_byte.py -s

STORMS ?= 200
storms: $(STAMP) ## kill -9 at two hundred seeded moments in storms of alerts (STORMS=…)
	STORMS=$(STORMS) $(BIN)/pytest tests/e2e/test_storms.py -s

test-postgres: $(STAMP) ## the rooms' tests with their state on a real PostgreSQL
	$(BIN)/pytest --state postgresql tests/kernel tests/routing tests/rules tests/incidents tests/oncall tests/channels \
		tests/actions tests/deploys tests/app tests/remote tests/ingest tests/rehearse tests/sim tests/scenarios tests/web

.PHONY: help setup peers demo serve lint test test-postgres conformance bench fuzz kills storms schemathesis corrupt
