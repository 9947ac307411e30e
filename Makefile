# Needs: make, and Python >= 3.11 with venv. Everything else is installed into .venv from hashed locks.
# Download addresses and certificates come from your own pip and uv settings (PIP_*, UV_*, SSL_CERT_FILE); nothing here names one.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: help venv demo up down test simulate interop check bench locks clean

PYTHON ?= python3
BIN := .venv/bin
DEMO_DIR ?= .demo
WORKERS ?= 2
LOCKS := dev authentication validation uniqueness consensus ledger client

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: venv ## run a whole ledger here, submit 18 reports of three facilities, verify every receipt offline
	$(BIN)/python -m slt.client.demo --dir $(DEMO_DIR)

up: venv ## like demo, but stay up in the background and print the addresses
	$(BIN)/python -m slt.client.demo --dir $(DEMO_DIR) --stay

down: ## stop what `make up` started
	@if [ -x $(BIN)/slt ] && [ -d $(DEMO_DIR) ]; then $(BIN)/slt down $(DEMO_DIR); else echo "nothing is up"; fi

# Most of the time is spent waiting for processes, so two files at a time pay on any machine (WORKERS=0: one after the
# other, in one process). The longest come first, so that no worker is left with them at the end.
test: venv ## run all tests (unit, simulation, integration, end to end); pytest's summary is the last line
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder \
	    tests/e2e/test_kills.py tests/e2e tests/integration tests/simulation tests/unit

SEEDS ?= 10000
simulate: venv ## run SEEDS=10000 random worlds of a consortium, from FIRST=0 on; what fails is shrunk and can be repeated
	SLT_SIMULATION_SEEDS=$(SEEDS) SLT_SIMULATION_FIRST=$(or $(FIRST),0) $(BIN)/python -m pytest \
	    --numprocesses $(WORKERS) tests/simulation/consensus/test_consortium_seeds.py

interop: venv tests/interop/sigstore/node_modules/.stamp ## hold verifiers that are not ours to our proofs (needs Go with x/mod, and npm)
	@command -v go >/dev/null || { echo "Go is missing (Debian: apt install golang-go golang-golang-x-mod-dev)" >&2; exit 1; }
	$(BIN)/python -m pytest tests/interop

# Without resolved addresses in the lock, npm takes each package from the registry that it is set to, by its hash.
tests/interop/sigstore/node_modules/.stamp: tests/interop/sigstore/package.json tests/interop/sigstore/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing (Debian: apt install npm)" >&2; exit 1; }
	npm --prefix $(dir $<) ci --ignore-scripts --no-audit --no-fund
	@touch $@

check: venv ## lint, formatting, types (mypy strict) and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: venv ## measure the whole pipeline with real processes: a table and JSON under .bench
	$(BIN)/python -m tests.bench

locks: venv ## resolve the hashed requirement files under deploy/locks anew
	@for name in $(LOCKS); do \
	    case $$name in dev) what="pyproject.toml --group dev" ;; client) what="pyproject.toml" ;; *) what="--group $$name" ;; esac; \
	    echo "deploy/locks/$$name.txt"; \
	    $(BIN)/uv pip compile $$what $(COMPILE) --output-file deploy/locks/$$name.txt; \
	done
	@{ echo "# Bootstraps uv through pip; uv installs everything else. Made by: make locks"; \
	    awk '/^uv==/ { on = 1 } on && !/^uv==|--hash=/ { exit } on { print }' deploy/locks/dev.txt; } > deploy/locks/uv.txt

COMPILE := --quiet --upgrade --generate-hashes --universal --fork-strategy fewest --python-version 3.11 \
    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make locks'

venv: .venv/.stamp ## install everything into .venv (the targets above do it by themselves)

# The stamp is younger than the locks and pyproject.toml exactly when .venv holds what they say.
.venv/.stamp: pyproject.toml deploy/locks/dev.txt deploy/locks/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "This needs Python 3.11 or newer as '$(PYTHON)' (Debian: apt install python3); or name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "'$(PYTHON)' has no venv module (Debian: apt install python3-venv)" >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes -r deploy/locks/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r deploy/locks/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

clean: ## stop what is up, and remove everything that make created here
	@$(MAKE) --no-print-directory down || echo "going on" >&2
	rm -rf tests/interop/sigstore/node_modules
	rm -rf .venv .demo .bench build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
