# Overridable: PYTHON (3.11), TORCH (a version instead of the tested one), VENV.
PYTHON ?= python3
TORCH ?=
VENV ?= .venv

# Threads that spin while they wait make a training step ten times as long as soon as
# something else wants one of the cores.
export OMP_WAIT_POLICY ?= passive

RUN := $(VENV)/bin/python
SETUP := $(PYTHON) tools/setup_env --venv $(VENV) $(if $(TORCH),--torch $(TORCH))

.DEFAULT_GOAL := help
.PHONY: help env env-dev quickstart test lint clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

env:  ## make VENV: the tested set, mmcv with its operators, this plugin
	@command -v $(PYTHON) >/dev/null || { echo 'No $(PYTHON) here. \
	Mend: apt-get install -y python3.11 python3.11-venv python3.11-dev'; exit 1; }
	@$(SETUP)

env-dev: env
	@$(SETUP) --dev

quickstart: env  ## train on handwritten digits, test, draw pictures
	@$(RUN) tools/quickstart.py

lint: env-dev  ## format, lint and types
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy

test: lint  ## lint, then all tests, the quick ones first
	@$(RUN) -m pytest -m 'not slow'
	@$(RUN) -m pytest -m slow

clean:  ## remove what was trained and built; VENV, data and caches stay
	rm -rf work_dirs build dist *.egg-info mmdet_centernet/.mim
