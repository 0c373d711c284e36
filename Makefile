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
.PHONY: help env env-dev quickstart test test-onedl lint docs coverage mutation lock licences sbom clean

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

lint: env-dev  ## format, lint, types and dead code
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy
	@$(RUN) -m vulture

test: lint  ## lint, then all tests, the quick ones first
	@$(RUN) -m pytest -m 'not slow'
	@$(RUN) -m pytest -m slow

docs: env-dev  ## build/docs: these pages as a site; a warning is an error
	@$(RUN) -m sphinx --quiet --fail-on-warning --keep-going -c docs . build/docs
	@echo build/docs/index.html

ONEDL := .venv-onedl/bin/python

# Their mmcv has compiled operators only when it is built from source.
test-onedl:  ## the quick tests on the onedl forks of mmdet, mmcv and mmengine
	@$(PYTHON) -m venv .venv-onedl
	@grep -Ev '^mm(cv|det|engine)=' requirements/runtime.txt | $(ONEDL) -m pip install \
	--quiet --no-deps -r /dev/stdin -r requirements/dev.txt -r requirements/onedl.txt
	@MMCV_WITH_OPS=1 $(ONEDL) -m pip install --quiet --no-deps --no-build-isolation \
	--no-binary onedl-mmcv onedl-mmcv==2.3.6
	@$(ONEDL) -m pytest -m 'not slow'

coverage: env-dev  ## branches of the package that no test takes, over all tests
	@$(RUN) -m pytest --cov --cov-report=term

mutation: env-dev  ## small changes to functional/ and codecs/ that no test notices
	@$(RUN) -m pip install --quiet mutmut==3.8.1
	@$(VENV)/bin/mutmut run && $(VENV)/bin/mutmut results

# The next three need uv, which fetches the tools: pip install uv.
lock:  ## write the hashes of what requirements/runtime.txt pins
	@uv pip compile --quiet --no-deps --generate-hashes --no-annotate \
	--python-version 3.11 --custom-compile-command 'make lock' \
	requirements/runtime.txt --output-file requirements/lock.txt

licences: env  ## list the licences of all packages in VENV
	@uvx --quiet pip-licenses==5.5.5 --python=$(RUN) --format=markdown

sbom: env  ## write the bill of materials of VENV, in CycloneDX's format
	@mkdir -p build
	@uvx --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py environment $(RUN) \
	--output-file build/sbom.cdx.json && echo build/sbom.cdx.json

clean:  ## remove what was trained and built; VENV, data and caches stay
	rm -rf work_dirs build dist *.egg-info mmdet_centernet/.mim
