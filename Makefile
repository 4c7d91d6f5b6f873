# Needs Python 3.11 or later and make; the first target that needs it sets up .venv, later ones reuse it.
# Variables: PYTHON (the interpreter to build .venv with; of several, the first that works and is new enough),
#            WORKERS (parallel test processes), ARGS (appended, as in `make test ARGS=tests/core`).

PYTHON  ?= python3.11 python3 python3.12 python3.13 python3.14 python
WORKERS ?= 2
ARGS    ?=

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint format types bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## Train, evaluate and compare on deep-sea-treasure (about 20 seconds), into runs/demo
	@$(BIN)/morl demo --out runs/demo $(ARGS)

test: $(STAMP) ## Run the tests
	@$(PYTEST) $(ARGS)

test-slow: $(STAMP) ## Run the tests that take minutes each
	@$(PYTEST) -m slow $(ARGS)

lint: $(STAMP) ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(STAMP) ## Rewrite style and formatting where ruff can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(STAMP) ## Check the types of a built wheel
	@.ci/types $(BIN)/python

bench: $(STAMP) ## Measure speed and quality (an hour or more), into benchmarks/out
	@$(BIN)/python benchmarks/speed.py $(ARGS)
	@$(BIN)/python benchmarks/quality.py $(ARGS)

clean: ## Remove caches and build outputs; .venv and runs stay
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# Written last, so that an interrupted set-up starts again. A .venv whose pip works is kept.
$(STAMP): pyproject.toml constraints.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  for python in $(PYTHON) ""; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; done; \
	  if [ -z "$$python" ]; then \
	    echo "morl needs Python 3.11 or later, with venv; found none among: $(PYTHON)." >&2; \
	    echo "Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; fi; \
	  echo "Creating $(VENV) with $$("$$python" --version)"; "$$python" -m venv --clear $(VENV); }
	@echo "Installing morl and the versions of constraints.txt into $(VENV) (minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@ && echo "Set up. Remove $(VENV) to start over."
