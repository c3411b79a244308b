# `make` lists what there is. Every target makes the environment it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test unit chaos lint format clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY) ## the whole system on this machine: no server, no account
	@$(BIN)/dispatcher demo

test: $(READY) ## every test
	$(BIN)/python -m pytest

unit: $(READY) ## the tests without processes (seconds)
	$(BIN)/python -m pytest tests/unit tests/property tests/contract

chaos: $(READY) ## only the kills, drops and faults
	$(BIN)/python -m pytest -m chaos

lint: $(READY) ## format check, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests examples
	cd tests/typing && ../../$(BIN)/mypy --config-file= --strict --cache-dir=../../.mypy_cache/user api.py

format: $(READY) ## rewrite the files as the formatter wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
