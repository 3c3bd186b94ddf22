# lineside: every command a newcomer needs. `make help` lists them.
PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/.ready
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup demo test check bench faults fuzz soak lock schemas situations clean packages test-packages

help:
	@echo "make demo    a whole line at work, in this terminal (make demo ARGS=--outage)"
	@echo "make test    all fast tests, against real servers, files and processes"
	@echo "make check   ruff, mypy --strict, import-linter"
	@echo "make bench   the figures of the README, each against its raw counterpart (ARGS=--backlog=10000000)"
	@echo "make faults  long proofs: kills and power cuts in the middle of work (20 minutes to an hour)"
	@echo "make fuzz    a million spoilt Modbus frames each way, 100,000 more of OPC UA, a million scans, 15,000 shifts in any order; docs/openapi.yaml against the endpoint"
	@echo "make soak    long runs: a million events and the memory they take, ten minutes of device faults, weeks of a line"
	@echo "make lock    renew requirements*.lock      make schemas  renew the JSON Schemas"
	@echo "make situations  renew the table of docs/situations.md"

setup: $(READY)

# The environment is made from the hashed lock file; it is renewed when the lock or the project changes.
$(READY): requirements-dev.lock pyproject.toml
	@$(MAKE) --no-print-directory packages
	@echo "Setting up .venv (first time: about a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "lineside needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

packages:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh tests/debian-packages.sh python3-venv

test-packages:
	@sh tests/debian-packages.sh chromium fonts-wqy-microhei strace systemd mosquitto mosquitto-clients
	@command -v npm >/dev/null || sh tests/debian-packages.sh nodejs npm

demo: $(READY)
	@$(BIN)/lineside demo $(ARGS)

test: $(READY) test-packages
	$(PYTEST) -n 3 --dist worksteal -m "not slow" $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m tests.bench $(ARGS)

faults: $(READY) test-packages
	$(PYTEST) -m slow tests/faults tests/contract/uplink $(ARGS)

fuzz: $(READY)
	$(PYTEST) -m slow tests/unit tests/line tests/contract/endpoint $(ARGS)
	$(PYTEST) --hypothesis-profile=deep --timeout=1800 tests/unit/station/test_interleavings.py $(ARGS)

soak: $(READY)
	$(PYTEST) -m slow tests/soak tests/week $(ARGS)

lock:
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --extra dev pyproject.toml -o requirements-dev.lock

situations: $(READY)
	$(BIN)/python -m tests.golden.table

schemas: $(READY)
	$(BIN)/python -m edge.cli.publish

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
