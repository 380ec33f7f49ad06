# Two commands: `make figure2` runs the embedded study, `make test` runs the tests. Both set up .venv first.
# STUDY=FILE is laid on top of config.yaml, CONFIG="films=PATH" sets single keys, and DIR=FOLDER is where results/ goes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
SUDO ?= $(shell [ "$$(id -u)" = 0 ] || echo sudo)
DIR ?= .
# Targets come first: --configfile and --config take all words that follow.
OVERLAY = $(if $(STUDY),--configfile '$(STUDY)') $(if $(CONFIG),--config $(CONFIG))
PLACE = $(if $(filter-out .,$(DIR)),--directory '$(DIR)')
SNAKEMAKE = $(BIN)/snakemake --cores $(CORES)
# Where the system knows no home for a user (a container under a bare number), Snakemake would not start.
ifeq ($(HOME),)
export HOME := $(shell mktemp -d)
endif
export PATH := $(CURDIR)/$(BIN):$(PATH)

ifneq ($(wildcard docs/pictures.json),)
DOCS_CHECK = $(BIN)/python -m scripts.renew_docs --check
endif

.PHONY: install figure2 figure3 figures evidence masks rate plan docs-figures test test-cluster lint types lock clean help mend

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
	@echo 'STUDY=FILE, CONFIG="films=PATH", DIR=FOLDER and CORES=N go with figure2, figure3, figures, evidence and rate; PYTHON=PATH with all'

# An environment that lost its Python or a package since it was ready is mended.
BROKEN := $(if $(wildcard $(VENV)/.ready),$(shell sh envs/install.sh check $(VENV) || echo mend))

$(VENV)/.ready: requirements.lock $(BROKEN)
	@sh envs/install.sh install $(VENV) $(PYTHON)

install: $(VENV)/.ready  ## only the environment, into .venv (the other targets do it by themselves)

figure2: $(VENV)/.ready  ## the study (STUDY=FILE DIR=FOLDER, else the embedded one), from nothing to results/figure2.pdf and its tables
	$(SNAKEMAKE) all $(PLACE) $(OVERLAY)

figure3: $(VENV)/.ready  ## the proxy model: filtering and fine-tuning, on top of figure2
	$(SNAKEMAKE) figure3 $(PLACE) $(OVERLAY)

figures: $(VENV)/.ready  ## Figures 1 to 4 and Table 1
	$(SNAKEMAKE) figures $(PLACE) $(OVERLAY)

evidence: $(VENV)/.ready  ## what speaks for and against the answer: copies, fidelity, worth in real films, subgroups, calibration
	$(SNAKEMAKE) evidence $(PLACE) $(OVERLAY)

masks: STUDY ?= studies/aurad-phantom.yaml
masks: $(VENV)/.ready  ## words to masks of several findings, made and measured (the embedded study, or STUDY=studies/aurad.yaml)
	$(SNAKEMAKE) masks $(PLACE) $(OVERLAY)

rate: $(VENV)/.ready  ## the rating app for radiologists, on 127.0.0.1
	$(SNAKEMAKE) rated_sets $(PLACE) $(OVERLAY)
	$(BIN)/python -m scripts.rate_images --study '$(DIR)/results' $(RATE)

plan: $(VENV)/.ready  ## what a study will cost: make plan STUDY=studies/paper.yaml MACHINE=h200
	$(BIN)/python -m scripts.plan_study $(OVERLAY) --results '$(DIR)/results' --machine $(or $(MACHINE),cpu-2core) $(PLAN)

docs-figures: $(VENV)/.ready  ## renew pictures and captions of README and docs/ from results (of DIR=FOLDER)
	$(BIN)/python -m scripts.renew_docs --results '$(DIR)/results'

test: $(VENV)/.ready  ## the tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-cluster: $(VENV)/.ready  ## the tests on a real SLURM of this machine (Debian or Ubuntu: installs slurm-wlm and munge)
	@command -v slurmctld > /dev/null || PATH="$$PATH:/usr/sbin" command -v slurmctld > /dev/null \
	  || { $(SUDO) apt-get update --quiet && $(SUDO) apt-get install --quiet --yes --no-install-recommends slurm-wlm munge; } \
	  || { echo "make test-cluster needs slurmctld, slurmd and munged: install your system's packages of SLURM and munge"; exit 1; }
	$(BIN)/python -m pytest -m cluster tests/cluster

lint: $(VENV)/.ready  ## style, spelling, types, and whether docs/ are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/codespell
	$(BIN)/mypy
	$(DOCS_CHECK)

types: $(VENV)/.ready  ## the type checker alone, on the rooms that pyproject.toml lists
	$(BIN)/mypy

lock: $(VENV)/.ready  ## write requirements.lock anew from pyproject.toml; versions stay as far as they can
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --quiet --python-version 3.11 --extra dev pyproject.toml \
	  --output-file requirements.lock

clean:  ## forget results (of DIR=FOLDER; keeps .venv)
	rm -rf '$(DIR)'/results/* '$(DIR)/.snakemake'
