# `make` lists what there is. Every target makes the environment it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# Tests start a hundred processes: without kept bytecode each compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test unit chaos breaks model bench lint audit format clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY) ## the whole system on this machine: no server, no account
	@$(BIN)/dispatcher demo

test: $(READY) ## every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

unit: $(READY) ## the tests without processes (seconds)
	$(BIN)/python -m pytest tests/unit tests/property tests/contract

chaos: $(READY) ## kills, drops and faults: their tests, then the whole matrix, into docs/reliability.md
	$(BIN)/python -m pytest -m chaos
	$(BIN)/python -m tests.chaos.matrix --runs 3 --write docs/reliability.md

breaks: $(READY) ## switch protections off in a scratch copy and see tests fail
	$(BIN)/python -m tests.chaos.breaks

model: $(READY) ## the protocol, model checked, with more mishaps than in `make test`
	MODEL_MISHAPS=3 $(BIN)/python -m pytest -m model

bench: $(READY) ## how fast, beside everything else, into docs/performance.md (20 minutes; needs nginx)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	$(BIN)/python -m benchmarks --write

lint: $(READY) ## format check, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests examples
	cd tests/typing && ../../$(BIN)/mypy --config-file= --strict --cache-dir=../../.mypy_cache/user api.py

audit: $(READY) ## known faults of what is installed (asks a service on the network)
	@.ci/audit $(BIN)/python

format: $(READY) ## rewrite the files as the formatter wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
