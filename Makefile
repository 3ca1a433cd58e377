PYTHON ?= python3.11
BIN = .venv/bin
STAMP = .venv/.installed

.PHONY: help setup demo test test-all lint check

help:           ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[test]' --constraint constraints.txt
	touch $(STAMP)

setup: $(STAMP) ## make .venv with everything that the project and its tests need

demo: $(STAMP)  ## train on the phantom, explain, score, rank, draw (about eight minutes on two cores)
	$(BIN)/python -m benchmark.run --suite demo --overwrite always --results runs/results
	$(BIN)/python heatmap.py --runs runs/suites/demo --method cam gradcam gradcampp --output_dir runs/demo-pictures

test: $(STAMP)  ## all tests but the slow ones, file by file on up to four processors
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not slow"

test-all: $(STAMP) ## the slow ones too (big networks)
	$(BIN)/python -m pytest

lint: $(STAMP)  ## style, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## what the continuous integration asks
