SUITED = -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do $$p $(SUITED) && echo $$p && break; done)
NONE = no Python 3.11, 3.12 or 3.13 is on the path: install one (www.python.org), or write make PYTHON=its/path
BIN = .venv/bin
STAMP = .venv/.installed
# uv takes half a minute where pip takes three; where its index cannot be reached, pip's settings say which one can
INSTALL = install() { $(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python "$$@" \
	|| $(BIN)/pip install --quiet --no-compile "$$@"; }; install --constraint constraints.txt --editable

.PHONY: help setup demo serve test test-all lint docs check

help:           ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

# One setup at a time: a second one waits for the first, then finds nothing to do. An interrupted one leaves a word in the
# lock file, and the next begins with a new .venv; one that failed (no network) leaves .venv as it is.
LOCK = .venv.lock
WAIT = import fcntl, os, sys; lock = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR, 0o644); os.set_inheritable(lock, True); \
	fcntl.flock(lock, fcntl.LOCK_EX); os.execvp(sys.argv[2], sys.argv[2:])
FAILED = { status=$$?; test $$status -gt 128 || : > $(LOCK); exit $$status; }
DRY_RUN = $(findstring n,$(firstword -$(MAKEFLAGS)))

ifeq ($(LOCKED)$(DRY_RUN),)
$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { echo "$(NONE)"; exit 1; }
	@$(or $(PYTHON),$(BIN)/python) -c '$(WAIT)' $(LOCK) $(MAKE) --no-print-directory LOCKED=1 $@
else
$(STAMP): pyproject.toml constraints.txt
	test ! -s $(LOCK) || rm -rf .venv
	echo unfinished > $(LOCK)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt uv || $(FAILED)
	$(INSTALL) '.[test]' || $(FAILED)
	-$(BIN)/python -m tools.compile
	touch $(STAMP)
	: > $(LOCK)
endif

setup: $(STAMP) ## make .venv with everything that the project and its tests need

demo: $(STAMP)  ## train on the phantom, explain, score, rank, draw (about seven minutes on two cores)
	$(BIN)/python -m benchmark.run --suite demo --overwrite always --results runs/results --jobs 2 --threads 1
	$(BIN)/python heatmap.py --runs runs/suites/demo --method cam gradcam gradcampp --output_dir runs/demo-pictures

serve: $(STAMP) ## a page on this machine: drop an image, see maps, boxes and probabilities of the networks below runs/
	$(BIN)/python -m tools.serve

test: $(STAMP)  ## all tests but the slow ones, file by file on up to four processors
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not slow" --durations=50

test-all: $(STAMP) ## the slow ones too (big networks)
	$(BIN)/python -m pytest

lint: $(STAMP)  ## style, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)  ## the documentation as a site: runs/site/site/index.html
	$(INSTALL) '.[docs]'
	$(BIN)/python -m tools.site

check: lint test ## what the continuous integration asks
