# Everything from nothing but python >= 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE  # tests start thousands of processes
.PHONY: help install demo test proof soak check bench format clean

help:  ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(READY)  ## .venv with lorad, what it needs and what its tests need, in tried versions

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'  # the first to know --group
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[train,optimizers]' --group dev
	touch $@

demo: $(READY)  ## Train a LoRA on the shipped model and watch it, in a few minutes on two cores
	$(BIN)/lorad demo

test: $(READY)  ## The whole suite, with real sockets, processes and terminals
	$(BIN)/python -m pytest -n auto --maxprocesses 6 --dist worksteal -m 'not proof'

proof: $(READY)  ## What is promised, repeated until it convinces: kills, faults, every pair of options
	$(BIN)/python -m pytest -n auto --maxprocesses 6 --dist worksteal -m proof

soak: $(READY)  ## The same, with the counts of a weekend
	LORAD_SOAK=20 $(BIN)/python -m pytest -n auto --maxprocesses 6 --dist worksteal -m proof --timeout 0

check: $(READY)  ## Format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## The figures of docs/benchmarks.md, as ratios in one run
	$(BIN)/python tests/bench/bench.py

format: $(READY)  ## Put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## Remove what was made here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache dist
