# `make demo` and `make test` are all a new machine needs; see `make help`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# small tensors on two test processes: more threads only get in each other's way
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

SCRIPTS := create_patches_fp.py extract_features_fp.py create_splits_seq.py main.py eval.py create_heatmaps.py \
  view_slides.py build_preset.py doctor.py

.PHONY: help venv demo test coverage soak lint clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

venv: $(STAMP) ## set up .venv with everything from the registry's wheels

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else \
	  "Python 3.10 to 3.13 is needed, %s is %d.%d: make PYTHON=python3.12 ..." % (sys.executable, *v))'
	$(PYTHON) -m venv $(VENV)

# the pipe: pip only has to be there, a newer one is no reason to install again
$(STAMP): pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --retries 10 --timeout 60 --upgrade pip
	$(BIN)/python -m pip install --quiet --retries 10 --timeout 60 '.[dev]'
	@touch $@

demo: $(STAMP) ## fabricate slides and run the six programs on them (demo_output/)
	$(BIN)/python -m demo.run

# one after the other, as they are collected: files with the longest tests are not left for the end
TESTS := $(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not soak'

test: $(STAMP) ## run the tests
	$(TESTS)

coverage: $(STAMP) ## run the tests and count the lines of the packages that they reach
	$(TESTS) --cov --cov-report=term

soak: $(STAMP) ## run the long tests
	$(ONE_THREAD) $(BIN)/python -m pytest -m soak || test $$? -eq 5

lint: $(STAMP) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SCRIPTS) benchmarks

clean: ## remove .venv, caches and the demo's output
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage demo_output build *.egg-info
