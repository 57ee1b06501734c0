# Each target does its own set-up into .venv, from pinned versions. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
CORES ?= all
SCALE ?= 1
RESULTS ?= results/demo

.PHONY: help reproduce test hostile bench docs lint format schema lock clean
.DEFAULT_GOAL := help

# An environment that is named, `make docs BIN=...`, is taken as it is.
ifneq ($(origin BIN),command line)
DOCS_READY := .venv/.docs
endif

help:  ## list what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1 | /' | column -t -s '|'

reproduce: .venv/.complete  ## run the default experiment: results/demo/ (CORES=n limits the cores)
	$(BIN)/snakemake --cores $(CORES)

test: .venv/.complete  ## run all tests
	$(BIN)/pytest -n auto --dist worksteal

hostile: .venv/.complete  ## let damaged files, odd servers, kills and full disks happen to the project (SCALE=0.1: a tenth of the trials)
	$(BIN)/python -m tests.hostile --scale $(SCALE)

bench: .venv/.complete .venv-bench/.complete  ## measure speed and memory against peers: results/bench/ (about twenty minutes)
	$(BIN)/python -m benchmarks

docs: $(DOCS_READY)  ## build the documentation as a site: build/docs/index.html (its notebooks read results/demo, or RESULTS=FOLDER)
	rm -rf docs/api build/docs
	PERFEDAVG_RESULTS=$(RESULTS) $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --builder html docs build/docs
	@echo "Open build/docs/index.html"

lint: .venv/.complete  ## check style of code and workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/snakemake --dry-run --quiet all

format: .venv/.complete  ## format code and workflow
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

schema: .venv/.complete  ## regenerate config/README.md, the JSON schema, docs/outputs.md and the captions in docs/figures.md
	$(BIN)/python -m perfedavg.config.docs
	$(BIN)/python -m tools.outputs
	$(BIN)/python -m tools.figures

lock: pyproject.toml  ## resolve pyproject.toml anew into requirements.lock and environment.yml
	$(PYTHON) tools/lock.py

clean:  ## remove the environments and caches, never results
	rm -rf .venv .venv-bench .pytest_cache .ruff_cache build docs/api src/*.egg-info

# The stamp comes last, so that an interrupted set-up is taken up again.
.venv/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + "; choose one with: make PYTHON=python3.11 ...")'
	@echo "Setting up .venv: about 100 pinned packages, some hundred megabytes to fetch, two minutes or more ..."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# The versions that the lock holds stay as they are.
.venv/.docs: .venv/.complete
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[docs]'
	@touch $@

# Peers that cannot be installed here are rows without a number, so this is no failure.
.venv-bench/.complete: benchmarks/requirements-peers.txt
	$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r $< && touch $@ \
		|| echo "The peers cannot be installed; the bench goes on without those that are missing."
