# Everything here works on a machine with Python 3.11, pip, make and git: the first target that needs
# packages builds .venv from the lock files, which are whole: nothing is resolved again.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test test-all bench check lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# The package itself is installed without build isolation: the build backend is in the lock files too.
$(VENV)/run.stamp: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned packages into $(VENV) (about a minute the first time)"
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.lock
	@echo "installing the pinned test and check tools into $(VENV)"
	@$(PIP) install --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/run.stamp  ## run the sample project through the nightly flow and show what came out
	@$(BIN)/python -m pipelines.nightly data/complete_journey

test: $(VENV)/dev.stamp  ## the tests that every change must pass
	@$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-all: $(VENV)/dev.stamp  ## every test, the slow ones too
	@$(BIN)/python -m pytest -q -n 2

bench: $(VENV)/dev.stamp  ## the benchmarks, as ratios measured in one run
	@$(BIN)/python -m tests.benchmarks

check: $(VENV)/dev.stamp  ## lint, format, types, SQL style, portable SQL, lock files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint --disable-progress-bar -q sql
	@$(BIN)/python -m tests.lint.portable_sql sql
	@$(BIN)/python -m tests.lint.repository

lock:  ## resolve the dependencies again and write both lock files (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --quiet --extra build pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --quiet --all-extras -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## remove everything that was made here
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache data/complete_journey/marts \
		data/complete_journey/reports data/complete_journey/store data/complete_journey/work.* \
		data/complete_journey/run.lock
