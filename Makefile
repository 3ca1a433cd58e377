SUITED = -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do $$p $(SUITED) && echo $$p && break; done)
NONE = Python 3.11, 3.12 or 3.13 not found: install one (www.python.org), or write make PYTHON=path/to/python
# The newest versions, or the oldest that work: make CONSTRAINTS=constraints-lowest.txt
CONSTRAINTS ?= constraints.txt
BIN = .venv/bin
STAMP = .venv/.installed
# uv takes half a minute, pip three. If uv cannot reach its index, pip may: its settings can name another one.
INSTALL = install() { $(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python "$$@" \
	|| $(BIN)/pip install --quiet --no-compile "$$@"; }; install --constraint $(CONSTRAINTS) --editable

.PHONY: help setup demo verify serve test test-all coverage lint docs check

help:           ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

# One setup runs at a time; a second one waits. After an interruption the lock file is not empty, and the next setup
# creates .venv anew. After a failure (no network) the next setup continues with the same .venv.
LOCK = .venv.lock
WAIT = import fcntl, os, sys; lock = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR, 0o644); os.set_inheritable(lock, True); \
	fcntl.flock(lock, fcntl.LOCK_EX); os.execvp(sys.argv[2], sys.argv[2:])
FAILED = { status=$$?; test $$status -gt 128 || : > $(LOCK); exit $$status; }
DRY_RUN = $(findstring n,$(firstword -$(MAKEFLAGS)))

ifeq ($(LOCKED)$(DRY_RUN),)
$(STAMP): pyproject.toml $(CONSTRAINTS)
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { echo "$(NONE)"; exit 1; }
	@$(or $(PYTHON),$(BIN)/python) -c '$(WAIT)' $(LOCK) $(MAKE) --no-print-directory LOCKED=1 $@
else
$(STAMP): pyproject.toml $(CONSTRAINTS)
	@test ! -s $(LOCK) || rm -rf .venv
	@echo unfinished > $(LOCK)
	@echo "creating .venv and installing packages into it (one to three minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) uv || $(FAILED)
	@$(INSTALL) '.[test]' || $(FAILED)
	@$(BIN)/python -m tools.compile
	@touch $(STAMP)
	@: > $(LOCK)
endif

setup: $(STAMP) ## create .venv and install the project with its test requirements
	@echo "Locus is installed. Next: source .venv/bin/activate, then python main.py (or make demo)"

demo: $(STAMP)  ## train on generated images, explain, score and draw (about three minutes on two cores)
	$(BIN)/python -m benchmark.run --suite demo --results runs/results --published_weights never --jobs 2 --threads 1
	$(BIN)/python -m tools.demo runs/results/demo runs/suites/demo

verify: $(STAMP) ## compute the scores of the suite demo again from its published weights, and compare (two minutes)
	$(BIN)/python -m benchmark.run --suite demo --results runs/verify/results --runs runs/verify/suites --jobs 2 --threads 1
	$(BIN)/python -m benchmark.compare results/demo runs/verify/results/demo

serve: $(STAMP) ## start a local web page that shows maps, boxes and probabilities of an image, by the networks in runs/
	$(BIN)/python -m tools.serve

test: $(STAMP)  ## run the tests except the slow ones, on up to four CPUs
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not slow" --durations=50

test-all: $(STAMP) ## run all tests, including the slow ones (large networks)
	$(BIN)/python -m pytest

coverage: $(STAMP) ## run the tests except the slow ones, and write which lines ran to runs/coverage/index.html
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not slow" \
		--cov=locus --cov-report=term:skip-covered --cov-report=html:runs/coverage

lint: $(STAMP)  ## check style, types and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)  ## build the documentation site, runs/site/site/index.html
	$(INSTALL) '.[docs]'
	$(BIN)/python -m tools.site

check: lint test ## run the checks of the continuous integration
