# The front door. `make` alone lists the recipes; continuous integration calls the same ones.
# Everything but Python and make is installed into .venv, from the hashes of requirements.lock.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= 2
TESTS ?= tests
EXAMPLES ?= 10000
# The network of a consortium: an exact version, and what it needs to be built.
COMETBFT_VERSION := v0.38.25
COMETBFT := build/tools/bin/cometbft
COMETBFT_BUILT := build/tools/.built-$(COMETBFT_VERSION)
GO ?= go
NODE ?= tieout-node
LOCK_FLAGS := --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --quiet

.DEFAULT_GOAL := help
.PHONY: help setup demo node node-postgres openapi test cometbft network-demo bench soak chaos lint format lock protobuf changelog clean

help: ## list the recipes
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make the environment in .venv, with the tieout command in it

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Tieout needs Python 3.11 or newer; '$(PYTHON)' answers: $$($(PYTHON) --version 2>&1)"; \
		echo "Name another one: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' comes without venv or pip. On Debian and Ubuntu:"; \
		echo "  apt-get install python3-venv"; exit 1; }
	@echo "Setting up $(VENV) (a minute or two, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation --editable .
	@$(BIN)/python -m tieout.engines.warm
	@touch $@
	@echo "Ready: $(BIN)/tieout"

demo: setup ## show a fund day of three parties, reconciled as it is published
	@$(BIN)/tieout demo

node: setup ## run a node: HTTP API, live stream, a ledger of its own in tieout-node (NODE=DIR)
	@test -e $(NODE)/node.toml || $(BIN)/tieout node init $(NODE) --agreement examples/fund-subscription.toml
	@TIEOUT_LOG_FORMAT=$${TIEOUT_LOG_FORMAT:-text} $(BIN)/tieout node run $(NODE)

node-postgres: setup ## run that node on PostgreSQL: a private one, or TIEOUT_STORAGE_DATABASE
	@test -e $(NODE)/node.toml || $(BIN)/tieout node init $(NODE) --agreement examples/fund-subscription.toml
	@TIEOUT_LOG_FORMAT=$${TIEOUT_LOG_FORMAT:-text} \
		$(BIN)/python -m tieout.testing.with_postgres $(BIN)/tieout node run $(NODE)

openapi: setup ## write docs/openapi.json anew from the table of endpoints
	$(BIN)/python -m tieout.node.api > docs/openapi.json

test: lint ## check style, types and layers, and run the tests
	@$(MAKE) --no-print-directory cometbft || \
		echo "CometBFT cannot be built here: tests of networks are skipped. Everything else runs."
	$(BIN)/pytest -n $(JOBS) --dist loadgroup $(TESTS)

cometbft: $(COMETBFT_BUILT) ## build CometBFT, which orders the blocks of a consortium, into build/tools

$(COMETBFT_BUILT):
	@set -e; if ! command -v $(GO) >/dev/null; then \
		echo "CometBFT is written in Go (1.22.11 or newer), and '$(GO)' is not here."; \
		if [ "$$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then \
			echo "Install it (Debian, Ubuntu: apt-get install golang) and call make again."; exit 1; \
		fi; \
		echo "Installing golang ..."; apt-get update -qq; \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends golang; fi
	@echo "Building CometBFT $(COMETBFT_VERSION) (some minutes, once) ..."
	@GOBIN=$(CURDIR)/$(dir $(COMETBFT)) GOFLAGS=-mod=mod CGO_ENABLED=0 \
		$(GO) install github.com/cometbft/cometbft/cmd/cometbft@$(COMETBFT_VERSION) \
		github.com/cometbft/cometbft/abci/cmd/abci-cli@$(COMETBFT_VERSION)
	@touch $@
	@echo "Ready: $(COMETBFT)"

network-demo: setup cometbft ## show a consortium of four nodes find and mend a wrong record
	@$(BIN)/tieout network demo

bench: setup ## measure speed against the floor and the peers; writes build/bench.json
	$(BIN)/python -m bench

soak: setup ## run the properties on many more examples (EXAMPLES=10000 TESTS=tests)
	TIEOUT_SOAK_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -n $(JOBS) --dist loadgroup --hypothesis-profile=soak $(TESTS)

chaos: setup cometbft ## do to a real network under load whatever may go wrong; ends with a table
	$(BIN)/python -m tests.chaos.run $(CHAOS)

lint: setup ## check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir build/import-linter

format: setup ## mend what the style checker can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(BIN)/uv ## compile requirements.lock anew from pyproject.toml (UPGRADE=1: newest versions)
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra node $(LOCK_FLAGS) $(if $(UPGRADE),--upgrade) \
		--output-file requirements.lock

protobuf: setup ## make the classes of the messages to and from CometBFT anew from abci.proto
	$(BIN)/python -m grpc_tools.protoc -I src --python_out=src --pyi_out=src \
		tieout/engines/cometbft/abci.proto

# Not by way of `setup`: a new library is imported before it is in the lock.
$(BIN)/uv:
	@$(MAKE) setup

changelog: setup ## show what the next release's changelog would say
	$(BIN)/towncrier build --draft

clean: ## remove the environment, caches and results
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
