PYTHON ?= python3
# Some environments forbid byte code; then each of the many processes of a demo or a test compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
# The locks are complete, so nothing is resolved; byte code comes with first use, which saves a third of the wait.
PIP := $(BIN)/pip install -q --disable-pip-version-check --no-deps --no-compile
UV := build/uv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help install demo test check audit corpus bench faults soak lock

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20
install: .venv/installed ## make .venv with all that Wireroom needs, as locked
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("Wireroom needs Python 3.11+: make PYTHON=… install")'
	@echo "Installing into .venv: about a minute"
	@$(PYTHON) -m venv .venv
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-build-isolation -e .
	@touch $@
.venv/installed-dev: .venv/installed requirements-dev.lock
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@
demo: install ## feeds in, searchable news out: offline, in half a minute
	@$(BIN)/wireroom demo
test: check ## the checks and the tests; see .ci/run for the servers that the full suite needs
	@$(BIN)/python -m pytest -q -n auto --dist loadgroup -m "not corpus"
check: .venv/installed-dev ## style, types and who imports whom
	@$(BIN)/ruff check -q . && $(BIN)/ruff format --check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
audit: ## what is locked, looked up in the public advisories
	@test -x build/audit/bin/pip-audit || \
	    { $(PYTHON) -m venv build/audit && build/audit/bin/pip install -q --disable-pip-version-check pip-audit; } || true
	@$(PYTHON) .ci/audit build/audit/bin/pip-audit requirements.lock requirements-dev.lock
corpus: .venv/installed-dev ## whole public corpora, then 200 real feeds end to end, every entry accounted for
	@$(BIN)/python -m pytest -q -n auto -m corpus
	@$(BIN)/python -m bench.real_feeds
bench: install ## articles per second beside a bare loop over the same libraries
	@$(BIN)/python -m bench.throughput
faults: .venv/installed-dev ## kill, stop and starve it while news come in; count what was lost (ARGS='--help' tells more)
	@$(BIN)/python -m tests.faults $(ARGS)
soak: .venv/installed-dev ## an hour near the limit with faults of all kinds (ARGS='--minutes 5' makes it short)
	@$(BIN)/python -m tests.faults.soak $(ARGS)
lock: ## write both lock files anew from pyproject.toml
	@test -x build/uv/bin/uv || { $(PYTHON) -m venv build/uv && build/uv/bin/pip install -q uv; }
	@$(UV) --group build pyproject.toml -o requirements.lock
	@$(UV) --group build --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock
