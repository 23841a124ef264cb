# One word per action.  Everything runs in .venv, which the first target that needs it creates.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Tests that run at once; each takes a core and up to a gigabyte.
WORKERS ?= 2

.PHONY: help install run demo test every-step crash-matrix kill-test backfill-kill-test fault-run simulated-day real-hour lint types imports format browser-test bench bench-decision bench-tick bench-contracts clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[dev]'
	@touch $@

install: $(STAMP)  ## create .venv and install Kracken with what it needs

run: $(STAMP)      ## start everything: sandbox exchange, Prefect, worker, schedules (Ctrl-C stops it)
	$(BIN)/kracken up $(ARGS)

demo: $(STAMP)     ## the whole pipeline once, in a temporary home, a few minutes
	$(BIN)/kracken demo $(ARGS)

test: $(STAMP)     ## all tests that need nothing but pip
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

every-step: $(STAMP)   ## ticks stopped at every single step, in more sequences of faults; `make test` takes a sample
	$(BIN)/python -m pytest -n $(WORKERS) --every-step --hypothesis-profile=thorough tests/fault tests/property/execution $(ARGS)

crash-matrix: $(STAMP)  ## real processes killed and frozen at every point; writes docs/crash-matrix.md, takes an hour
	$(BIN)/python -m tests.fault.crash_matrix $(ARGS)

kill-test: $(STAMP)  ## kill -9 of everything `kracken up` has started, in the middle of its ticks; four minutes
	$(BIN)/python -m tests.e2e.kill_test $(ARGS)

backfill-kill-test: $(STAMP)  ## a month's backfill killed ten times by kill -9, and two at once: the same bytes as one undisturbed
	$(BIN)/python -m pytest -s --month tests/fault/test_backfill_killed.py $(ARGS)

fault-run: $(STAMP)  ## ingest and streams through ten minutes of seeded faults; the lake is then held against the venue (ARGS="--minutes 2")
	$(BIN)/python -m tests.e2e.fault_run $(ARGS)

simulated-day: $(STAMP)  ## a day's schedules by market time, in bad weather, held against the venue to the last digit (ARGS="--hours 2")
	$(BIN)/python -m tests.e2e.simulated_day $(ARGS)

real-hour: $(STAMP)  ## an hour of `kracken up` through Prefect itself, in bad weather (ARGS="--minutes 10")
	$(BIN)/python -m tests.e2e.real_hour $(ARGS)

lint: $(STAMP)     ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)    ## static types
	$(BIN)/mypy

imports: $(STAMP)  ## the rules about who may import whom
	$(BIN)/lint-imports

format: $(STAMP)   ## put the code into house format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

browser-test: $(STAMP)  ## the Prefect UI in a real browser (installs Debian's chromium where there is none)
	command -v chromium >/dev/null || { apt-get update -q && apt-get install -q -y --no-install-recommends chromium; }
	$(BIN)/python -m pytest tests/browser $(ARGS)

.bench-venv/.installed: benchmarks/requirements.txt
	$(PYTHON) -m venv .bench-venv
	.bench-venv/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

bench: $(STAMP) .bench-venv/.installed  ## the candle store beside its peers (in an environment of their own), into bench-results/
	$(BIN)/python -m benchmarks.candle_store --peers .bench-venv/bin/python --into bench-results $(ARGS)

bench-decision: $(STAMP)  ## what deciding costs: a hundred symbols, six signals, candles in memory
	$(BIN)/python -m benchmarks.decision $(ARGS)

bench-tick: $(STAMP)      ## what a whole tick costs: ten open positions, real ccxt, the exchange in a process of its own
	$(BIN)/python -m benchmarks.tick $(ARGS)

bench-contracts: $(STAMP)  ## what judging candles costs, beside one DuckDB query and NumPy, into bench-results/
	$(BIN)/python -m benchmarks.contracts --into bench-results $(ARGS)

clean:           ## remove what a stack wrote here (.kracken); the virtual environment stays
	rm -rf .kracken
