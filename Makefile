# Variables: PYTHON (3.10 to 3.13), PINS (torch2.1 replaces the default set for that
# Python), VENV.
PYTHON ?= python3
PINS ?=
VENV ?= .venv

# Otherwise waiting threads spin, and a training step takes ten times as long as soon as
# another process needs one of the cores.
export OMP_WAIT_POLICY ?= passive

RUN := $(VENV)/bin/python
# One process per core, each with one thread; a file's tests share their fixtures.
PYTEST := OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --maxprocesses 4 --dist loadfile
SETUP := $(PYTHON) dev/setup_env $(if $(PINS),--pins $(PINS))

.DEFAULT_GOAL := help
.PHONY: help env env-dev quickstart lint test docs test-compiled test-onedl test-matrix \
	coverage mutation lock licences sbom clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

env:  ## create VENV: the tested set and this plugin
	@command -v $(PYTHON) >/dev/null || { echo 'No $(PYTHON) found.'; \
	echo '  fix: apt-get install -y python3 python3-venv'; exit 1; }
	@$(SETUP) --venv $(VENV)

env-dev: env
	@$(SETUP) --venv $(VENV) --dev

quickstart: env  ## train on handwritten digits, test, draw detections
	@$(RUN) dev/quickstart.py

lint: env-dev  ## format, lint, types and dead code
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy
	@$(RUN) -m vulture

test: lint  ## lint, then all tests, the quick ones first
	@$(PYTEST) -m 'not slow'
	@$(PYTEST) -m slow

docs: env-dev  ## build the docs site in build/docs; warnings are errors
	@$(RUN) -c 'import sphinx' 2>/dev/null || { \
	echo 'make docs needs Python 3.11 or newer: make docs PYTHON=...'; exit 1; }
	@$(RUN) -m sphinx --quiet --fail-on-warning --keep-going -c docs . build/docs
	@echo build/docs/index.html

test-compiled:  ## quick tests with the operators of mmcv, compiled with g++
	@$(SETUP) --venv .venv-compiled --dev --mmcv compiled
	@.venv-compiled/bin/python -m pytest -m 'not slow'

test-onedl:  ## quick tests on the onedl forks of mmdet, mmcv and mmengine
	@$(SETUP) --venv .venv-onedl --dev --mmcv onedl
	@.venv-onedl/bin/python -m pytest -m 'not slow'

test-matrix:  ## other versions of Python, torch and OpenMMLab, or ROWS only: build/matrix.md
	@$(PYTHON) dev/matrix --rows '$(ROWS)'

coverage: env-dev  ## lines and branches of the package that no test covers
	@$(RUN) -m pytest --cov --cov-report=term

mutation: env-dev  ## mutations of functional/ and codecs/ that no test detects
	@$(RUN) -m pip install --quiet mutmut==3.8.1
	@$(VENV)/bin/mutmut run && $(VENV)/bin/mutmut results

# The next three need uv: pip install uv.
LOCK := uv pip compile --quiet --no-deps --generate-hashes --no-annotate \
	--custom-compile-command 'make lock'

lock:  ## write the hashes of the pinned runtime packages
	@cd requirements && $(LOCK) --python-version 3.11 runtime.txt -o lock.txt
	@cd requirements && $(LOCK) --python-version 3.10 torch2.1.txt -o torch2.1-lock.txt

licences: env  ## list the licenses of all packages in VENV
	@uvx --quiet pip-licenses==5.5.5 --python=$(RUN) --format=markdown

sbom: env  ## write the bill of materials of VENV (CycloneDX)
	@mkdir -p build
	@uvx --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py environment $(RUN) \
	--output-file build/sbom.cdx.json && echo build/sbom.cdx.json

clean:  ## remove results, builds and test environments; keep VENV, data and caches
	rm -rf work_dirs build dist *.egg-info mmdet_centernet/.mim
	rm -rf .venv-compiled .venv-onedl
