# make demo | test | nightly | real | runtimes | lowest | fuzz | lint | bench | verdicts | clean
# Everything is installed into .venv, which make creates, and creates again if pyproject.toml changes.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# -qq hides warnings and still shows errors.
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo test nightly real runtimes lowest fuzz lint bench verdicts clean

help:
	@echo 'make demo      compare scenarios/dense_vs_td.yaml'
	@echo 'make test      run the tests'
	@echo 'make nightly   run all tests, also the slow ones, and fuzz'
	@echo 'make real      reload, change and rewrite models of KerasHub and keras-tcn (20 minutes)'
	@echo 'make runtimes  run the tests of other runtimes with torch, JAX and Keras 2 (tf_keras)'
	@echo 'make lowest    run the tests of the gallery, API and plugin with the lowest supported versions'
	@echo 'make fuzz      run the command on 10,000 mutated files, and on 2,000 files with mappings'
	@echo '               that Keras might run or read'
	@echo 'make lint      run ruff, mypy --strict, the import rules, a spelling check and a'
	@echo '               list of odd phrases'
	@echo 'make bench     measure layerlens, part by part (ARGS="cold jobs" selects parts)'
	@echo 'make verdicts  judge the truth table and print the confusion matrix'
	@echo 'make clean     remove .venv, .venv-lowest, .venv-real, .venv-runtimes, .venv-keras2 and'
	@echo '               build products'
	@echo
	@echo 'Set PYTHON=/path/to/python3.12 to use another interpreter (3.11 or later).'

demo: $(VENV)/installed
	@$(BIN)/layerlens compare scenarios/dense_vs_td.yaml

test: $(VENV)/installed-test
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

# tf_keras is Keras 2; its version has to match that of TensorFlow.
nightly: $(VENV)/installed-test
	@$(PIP) install --no-deps "tf_keras==$$($(BIN)/python -c \
	  'import importlib.metadata as m; print(m.version("tensorflow").rpartition(".")[0])').*"
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m 'not real and not runtimes' $(ARGS)
	@$(MAKE) fuzz

real:
	@'$(PYTHON)' -m venv .venv-real
	@.venv-real/bin/python -m pip --disable-pip-version-check --no-input -qq install \
	  --editable '.[real]'
	@.venv-real/bin/python -m pytest -n auto -m real tests/real $(ARGS)

# Keras 2 has an interpreter of its own, as those have who keep it beside Keras 3.
runtimes:
	@'$(PYTHON)' -m venv .venv-runtimes
	@.venv-runtimes/bin/python -m pip --disable-pip-version-check --no-input -qq install \
	  --constraint tests/runtimes/constraints.txt --editable '.[test,runtimes]'
	@'$(PYTHON)' -m venv .venv-keras2
	@.venv-keras2/bin/python -m pip --disable-pip-version-check --no-input -qq install tf_keras
	@LAYERLENS_KERAS_2_PYTHON='$(CURDIR)/.venv-keras2/bin/python' \
	  .venv-runtimes/bin/python -m pytest -m runtimes tests/runtimes $(ARGS)

lowest:
	@'$(PYTHON)' -m venv .venv-lowest
	@.venv-lowest/bin/python -m pip --disable-pip-version-check --no-input -qq install \
	  --constraint tests/lowest.txt --editable '.[test]'
	@.venv-lowest/bin/python -m pytest tests/functional/test_gallery.py tests/functional/test_plugin_*.py \
	  tests/unit/test_api.py tests/unit/test_fixture.py tests/unit/test_updating.py $(ARGS)

fuzz: $(VENV)/installed-test
	@$(BIN)/python tests/fuzz/run.py --depth mappings --files 2000 --jobs 2
	@$(BIN)/python tests/fuzz/run.py --files 10000 --jobs 2 $(ARGS)

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict layerlens
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell *.md docs scenarios layerlens Makefile
	$(BIN)/codespell --builtin en-GB_to_en-US --ignore-words-list judgement *.md docs scenarios
	$(BIN)/python tests/prose/odd_phrases.py

bench: $(VENV)/installed-test
	@$(BIN)/python benchmarks/bench.py $(ARGS)

verdicts: $(VENV)/installed
	@$(BIN)/python benchmarks/verdicts.py $(ARGS)

clean:
	rm -rf $(VENV) .venv-lowest .venv-real .venv-runtimes .venv-keras2 build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(VENV)/made: pyproject.toml
	@command -v '$(PYTHON)' >/dev/null || { \
	  echo "make: '$(PYTHON)' was not found; layerlens needs Python 3.11 or later (set PYTHON=... to use another one)" >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: '$(PYTHON)' is $$('$(PYTHON)' -V 2>&1); layerlens needs Python 3.11 or later (set PYTHON=... to use another one)" >&2; exit 1; }
	@rm -rf $(VENV)
	@'$(PYTHON)' -m venv $(VENV) || { \
	  echo "make: '$(PYTHON)' cannot create a virtual environment (on Debian and Ubuntu: apt install python3-venv)" >&2; rm -rf $(VENV); exit 1; }
	@touch $@

$(VENV)/installed: $(VENV)/made
	@echo 'Installing layerlens into $(VENV); TensorFlow is a large download; this takes a minute or two.' >&2
	@$(PIP) install --editable .
	@$(BIN)/python -m compileall -q layerlens  # pip does not do this for editable installs
	@touch $@

$(VENV)/installed-%: $(VENV)/installed
	@$(PIP) install --editable '.[$*]'
	@touch $@
