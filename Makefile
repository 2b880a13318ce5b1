# Every target sets itself up: `make demo` and `make test` are all that a fresh clone needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.done
WORKERS ?= 2
PROFILE ?= ci
rooms = $(sort $(patsubst %/,%,$(dir $(wildcard $(addsuffix /*.py,$(1))))))
PYTHON_ROOMS := $(call rooms,keepers scripts tests tools bench docs/examples)
TYPED_ROOMS := $(call rooms,keepers scripts tests/reference tools bench docs/examples)

# The environment comes first on PATH: without its vyper on it, ape-vyper tries to download a compiler.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup demo test bench lint guards replay campaign format record lock clean distclean
.PHONY: lint-python lint-types lint-contracts lint-repo

help:
	@echo "make demo      replay a crash on a local chain and liquidate it live   (ARGS=...)"
	@echo "make test      every test                                             (ARGS=...)"
	@echo "make bench     measure gas, sizes and latency against the targets     (ARGS=--check)"
	@echo "make replay    play whole price series from files                     (ARGS=...)"
	@echo "make lint      ruff, mypy, the Vyper and repository rules, sizes, ABIs"
	@echo "make campaign  the state machines with the night profile"
	@echo "make guards    show that each fault test fails without its guard      (ARGS=rows)"
	@echo "make format    let ruff format and sort;  make record  write bench/sizes.json and abi/"
	@echo "make setup     .venv and the pinned anvil;  make clean, make distclean"

# ---- set-up: each step runs again only when what it depends on has changed

setup: $(DONE)/package node_modules/.done
	@:

$(DONE)/python: tools/make_venv.sh
	@sh tools/make_venv.sh $(VENV)
	@mkdir -p $(DONE) && touch $@

$(DONE)/requirements: requirements.lock $(DONE)/python
	@echo "setup: installing the locked Python packages (a few minutes the first time)"
	@# The lock is complete, so nothing is resolved: pip would look for newer releases behind extras.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@touch $@

$(DONE)/package: pyproject.toml $(DONE)/requirements
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

node_modules/.done: package.json package-lock.json tools/get_anvil.sh $(DONE)/python
	@if sh tools/get_anvil.sh $(VENV); then touch $@; fi

# ---- use

demo: setup
	@plimsoll demo $(ARGS)

replay: setup
	@plimsoll replay $(ARGS)

bench: setup
	@python -m bench $(ARGS)

test: setup
	@python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -q -m "not campaign" --hypothesis-profile $(PROFILE) $(ARGS)

# of each of the three deployments: 252,000 compared steps, the wide one's and those with options
campaign: export PLIMSOLL_STEPS ?= 84000
campaign: export PLIMSOLL_WIDE_STEPS ?= 30000
campaign: export PLIMSOLL_OPTION_STEPS ?= 30000
campaign: setup
	@python -m pytest -n $(WORKERS) --dist loadfile -q --hypothesis-profile night tests/stateful $(ARGS)

guards: setup
	@python -m tools.guards --workers $(WORKERS) $(ARGS)

# ---- lint: `make -k lint` shows all four parts even when one fails

lint: lint-python lint-types lint-contracts lint-repo

lint-python: setup
	@ruff check --quiet $(PYTHON_ROOMS)
	@ruff format --quiet --check $(PYTHON_ROOMS) || { echo "lint: run make format"; exit 1; }

lint-types: setup
	@mypy $(TYPED_ROOMS)

lint-contracts: setup
	@python -m tools.vyper_lint
	@python -m tools.sizes
	@python -m tools.abi --check

lint-repo: setup
	@python -m tools.repo_lint

format: setup
	@ruff check --quiet --fix $(PYTHON_ROOMS)
	@ruff format --quiet $(PYTHON_ROOMS)

record: setup
	@python -m tools.sizes --write
	@python -m tools.abi

# ---- upkeep

lock:
	@uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url -o requirements.lock requirements.in

clean:
	@rm -rf .cache .build .pytest_cache .mypy_cache .ruff_cache .hypothesis out
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -not -path './node_modules/*' -prune -exec rm -rf {} +

distclean: clean
	@rm -rf $(VENV) node_modules *.egg-info
