# Needs python3 (3.11 or later), make and a network for the first run; everything else is in .venv.
PYTHON ?= python3
PORT ?= 8080
DATA ?= .gateway
SUBJECTS ?= 10000
SHOPMATE_PORT ?= 9104
CLIENTS ?=
# Processes that run tests side by side, each with a PostgreSQL of its own
WORKERS ?= 2
RACES ?= 5000
KILLS ?= 20

BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := demo
.PHONY: demo test bench bench-smoke bench-soak format format-check lint types mutation races breaks kills lock clean

$(READY): requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "python 3.11 or later is needed, this is " + sys.version)'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(READY)
	$(BIN)/gateway demo --port $(PORT) --data $(DATA) --subjects $(SUBJECTS) --shopmate-port $(SHOPMATE_PORT) $(if $(CLIENTS),--clients $(CLIENTS))

test: $(READY)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

bench: $(READY)
	$(BIN)/python -m benchmarks

# A few requests of each kind against few subjects: does the bench still run?
bench-smoke: $(READY)
	$(BIN)/python -m benchmarks --smoke

# Is memory flat over 200,000 requests of mixed documents?
bench-soak: $(READY)
	$(BIN)/python -m benchmarks --soak

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only --quiet .

format-check: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

# Survivors are listed; docs/mutation.md justifies each
mutation: $(READY)
	$(BIN)/mutmut run
	$(BIN)/mutmut results

# The long runs of what `make test` does in short
races: $(READY)
	RACES=$(RACES) $(BIN)/python -m pytest -m races

breaks: $(READY)
	BREAKS=all $(BIN)/python -m pytest -m breaks

kills: $(READY)
	KILLS=$(KILLS) $(BIN)/python -m pytest -m kills

# Resolves anew within pyproject.toml's bounds. Hashes of every file of every platform, and no address of any index.
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --upgrade \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements.lock

clean:
	rm -rf .venv mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis
