# `make` lists the targets. A fresh clone needs no other preparation: each
# target first sees to the environment in .venv (tools/setup_env.sh).
VENV := .venv$(if $(STACK),-$(STACK))
PYTHON_ENV := $(VENV)/bin/python
ARGS ?=
# test files that run at a time
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help env demo test test-all test-floors lint clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed 's/:.*  ## /\t/' | \
		awk -F '\t' '{printf "make %-11s %s\n", $$1, $$2}'

env:  ## Set up .venv, 1 to 5 min the first time (PYTHON=..., MMCV=compiled)
	@bash tools/setup_env.sh

demo: env  ## Train a small network with local supervision
	$(PYTHON_ENV) demo/demo.py $(ARGS)

test: env  ## Run all tests but the slow ones (STACK=onedl: on the onedl hosts)
	$(PYTHON_ENV) -m pytest tests localsup_mm --doctest-modules \
		-m "not slow" -n $(JOBS) --dist loadfile $(ARGS)

test-all: env  ## Run all tests and docstring examples
	$(PYTHON_ENV) -m pytest tests localsup_mm --doctest-modules $(ARGS)

test-floors:  ## Run `make test` with the oldest torch and mmengine allowed
	$(MAKE) test STACK=floors

lint: env  ## Check style, docstrings, format and types
	$(PYTHON_ENV) -m ruff check .
	$(PYTHON_ENV) -m ruff format --check .
	$(PYTHON_ENV) -m mypy

clean:  ## Remove environments and build leftovers (work_dirs and data stay)
	rm -rf .venv .venv-floors .venv-onedl build dist *.egg-info .pytest_cache \
		.ruff_cache .mypy_cache mmcv_ops/build mmcv_ops/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
